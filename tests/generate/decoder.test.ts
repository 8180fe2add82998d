/**
 * Stepwise decoding of every family: near the whole program's logits, and one bit pattern of each token's logits
 * whatever steps it was computed in. Some have heads 10 wide, which no vector register
 * divides and which the cache widens.
 */
import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { batchInputs, modelGraph } from "../../src/language/models/index.ts";
import {
  createExecutor,
  createNativeExecutor,
  firstDifference,
  type Executor,
} from "../../src/numeric/runtime/index.ts";
import { tensor } from "../../src/numeric/tensor/index.ts";
import { openDecoder } from "../../src/work/generate/index.ts";
import { difference } from "../conformance/support.ts";
import {
  amongMates,
  counting,
  idsOf,
  inParts,
  modelOf,
  recomputed,
  undoubled,
  withDecoder,
  type Model,
} from "./ways.ts";

const [V, TOKENS, CONTEXT] = [37, 15, 24];
const GATED = {
  vocab_size: V,
  hidden_size: 20,
  intermediate_size: 27,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 10,
  max_position_embeddings: CONTEXT,
};
const BERT = {
  model_type: "bert",
  vocab_size: V,
  hidden_size: 20,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 27,
};
const MODELS: Readonly<Record<string, Model>> = Object.fromEntries(
  [
    { model_type: "gpt2", vocab_size: V, n_embd: 20, n_layer: 2, n_head: 2, n_inner: 27, n_positions: CONTEXT },
    { model_type: "llama", ...GATED },
    { model_type: "mistral", ...GATED, sliding_window: 3 },
    { model_type: "qwen2", ...GATED, head_dim: 8, tie_word_embeddings: true },
    { model_type: "qwen3", ...GATED, head_dim: 16 },
  ].map((json) => [json.model_type, modelOf(json)]),
);
const ids = idsOf(TOKENS, V);
const EXECUTORS: Readonly<Record<string, Executor>> = {
  native: await createNativeExecutor(),
  portable: await createExecutor("portable"),
};
const reference = await createExecutor("reference");

/** The logits of every token by the program that training and scoring have, in float64. */
async function whole({ config, weights }: Model): Promise<Float64Array> {
  const head = { kind: "causal-lm" } as const;
  const session = await reference.load(modelGraph(config, head), { form: "packed", weights });
  const inputs = batchInputs([{ ids }], config, head, { tokens: TOKENS, minimumRows: 1, padId: 0, real: "float64" });
  const positions = tensor(
    "int32",
    [TOKENS],
    ids.map((_, i) => i),
  );
  const logits = tensor("float64", [TOKENS, V], new Float64Array(TOKENS * V));
  await session.run({ ...inputs, positions }, { logits });
  return logits.data;
}

for (const [family, model] of Object.entries(MODELS))
  describe(family, async () => {
    const expected = await whole(model);

    test("the reference decodes what it computes whole", async () => {
      const logits = await withDecoder(model, reference, (decoder) => inParts(decoder, ids, [1, 4, 1, 1, 8]));
      assert.ok(difference(logits, expected) <= 1e-7);
    });

    for (const [name, executor] of Object.entries(EXECUTORS))
      it(`gives one bit pattern in ${name}`, async () => {
        const { executor: counted, runs } = counting(executor);
        const slots = [1, 8];
        await withDecoder(
          model,
          counted,
          async (decoder) => {
            const pattern = await inParts(decoder, ids, [TOKENS]);
            const gap = difference(pattern, expected);
            assert.ok(gap <= 1e-5, `${gap}`);
            const same = (logits: Float32Array, how: string): void =>
              assert.equal(firstDifference(logits, pattern), -1, how);
            same(await recomputed(decoder, ids), "whole, for each token anew");
            same(await inParts(decoder, ids, new Array<number>(TOKENS).fill(1)), "token by token");
            for (const sizes of [
              [TOKENS - 1, 1],
              [2, 1, 7, 1, 1, 3],
            ])
              same(await inParts(decoder, ids, sizes, decoder.open(200)), `in parts of ${sizes.join()}`);
            for (const [place, mates] of [
              [0, 1],
              [1, 2],
              [7, 7],
              [2, 5],
            ] as const) {
              const before = runs.length;
              same(await amongMates(decoder, ids, { place, mates }), `in place ${place} among ${mates}`);
              assert.ok(runs.slice(before).every(({ sequences }) => sequences === mates + 1));
            }
            const even = { slots: [2], evenRows: true };
            const other = await withDecoder(model, executor, (one) => inParts(one, ids, [3, 1, 1, 10]), even);
            same(other, "rows in even numbers, in another session");
            assert.notEqual(
              firstDifference(await undoubled(model, executor, ids), pattern),
              -1,
              "the control: attention sees one row, and nobody would notice",
            );
          },
          { slots },
        );
      });
  });

describe("a sequence", async () => {
  const decoder = await openDecoder(MODELS["llama"]!, EXECUTORS["native"]!, { slots: [1, 2] });
  const pattern = await inParts(decoder, ids, [TOKENS]);
  const after = (from: number): Float32Array => pattern.subarray(from * V);

  it("goes back, is copied, leaves as bytes and comes again", async () => {
    const sequence = decoder.open();
    await decoder.step([{ sequence, ids: ids.subarray(0, 9) }]);
    await decoder.step([{ sequence, ids: idsOf(4, V, 3) }]); // guesses that were wrong
    sequence.rewind(9);
    const copy = sequence.fork();
    const part = sequence.fork(5);
    const bytes = copy.export();
    const elsewhere = decoder.open();
    elsewhere.import(bytes);
    assert.deepEqual([copy.length, part.length, elsewhere.length, decoder.open().fork().length], [9, 5, 9, 0]);
    for (const one of [sequence, copy, elsewhere, part]) {
      const from = one.length;
      const [logits] = await decoder.step([{ sequence: one, ids: ids.subarray(from), logits: TOKENS - from }]);
      assert.equal(firstDifference(logits!, after(from)), -1);
      assert.equal(one.length, TOKENS);
    }
    assert.throws(() => sequence.rewind(TOKENS + 1), { code: "OPTION_INVALID" });
    assert.throws(() => sequence.fork(-1), { code: "OPTION_INVALID" });
    for (const one of [sequence, copy, elsewhere, part]) one.close();
    assert.equal(sequence.length, 0);
    await assert.rejects(decoder.step([{ sequence, ids }]), { message: /freed/ });
  });

  it("is told its limits before work begins, and has not changed", async () => {
    const [sequence, mate] = [decoder.open(), decoder.open()];
    await decoder.step([{ sequence, ids: ids.subarray(0, 9) }]);
    const before = sequence.export();
    const one = Int32Array.of(1);
    const foreign = await openDecoder(MODELS["llama"]!, EXECUTORS["native"]!, { slots: [1] });
    const refusals = [
      ["INPUT_TOO_LARGE", /25 tokens are more than the 24/, [{ sequence, ids: idsOf(16, V) }]],
      [
        "INPUT_INVALID",
        /1 to 2 sequences, not 3/,
        [sequence, mate, decoder.open()].map((each) => ({ sequence: each, ids: one })),
      ],
      ["INPUT_INVALID", /1 to 2 sequences, not 0/, []],
      ["INPUT_INVALID", /is in slot 0 too/, [0, 1].map(() => ({ sequence, ids: one }))],
      ["INPUT_INVALID", /0 tokens after 9/, [{ sequence, ids: new Int32Array(0) }]],
      ["INPUT_INVALID", /the last 2 are to have logits/, [{ sequence, ids: one, logits: 2 }]],
      ["INPUT_INVALID", /input_ids/, [{ sequence, ids: Int32Array.of(V) }]],
      ["INPUT_INVALID", /input_ids/, [{ sequence, ids: Int32Array.of(-1) }]],
      ["INPUT_INVALID", /another decoder's/, [{ sequence: foreign.open(), ids: one }]],
    ] as const;
    for (const [code, message, work] of refusals) await assert.rejects(decoder.step(work), { code, message });
    assert.deepEqual(sequence.export(), before);
    const [logits] = await decoder.step([{ sequence, ids: ids.subarray(9), logits: TOKENS - 9 }]);
    assert.equal(firstDifference(logits!, after(9)), -1);
    await foreign.dispose();
    for (const slots of [[], [0], [2, 2], [1.5]])
      await assert.rejects(openDecoder(MODELS["llama"]!, EXECUTORS["native"]!, { slots }), { code: "OPTION_INVALID" });
    const bert = modelOf(BERT, 0.3, "masked-lm");
    await assert.rejects(openDecoder(bert, EXECUTORS["native"]!), { code: "MODEL_INVALID" });
    const wide = modelOf({ model_type: "qwen3", ...GATED, head_dim: 144 });
    await assert.rejects(openDecoder(wide, EXECUTORS["native"]!), { code: "MODEL_INVALID", message: /144 wide/ });
  });

  it("may be computed without any logits", async () => {
    const sequence = decoder.open();
    const [none] = await decoder.step([{ sequence, ids: ids.subarray(0, 6), logits: 0 }]);
    assert.equal(none!.length, 0);
    const [logits] = await decoder.step([{ sequence, ids: ids.subarray(6), logits: TOKENS - 6 }]);
    assert.equal(firstDifference(logits!, after(6)), -1);
  });
});

it("a decoder whose tokens depend on their step is refused when it is loaded", async () => {
  const real = EXECUTORS["native"]!;
  const fails: Readonly<Record<string, (rows: number, sequences: number) => boolean>> = {
    "by itself": (rows, sequences) => rows === 1 && sequences === 1,
    "beside another text": (_, sequences) => sequences === 2,
  };
  for (const [how, wrong] of Object.entries(fails)) {
    let open = 0;
    const executor: Executor = {
      ...real,
      load: async (graph, options) => {
        const session = await real.load(graph, options);
        open++;
        return {
          profile: session.profile,
          run: async (inputs, outputs, random, more) => {
            await session.run(inputs, outputs, random, more);
            const sequences = more!.caches!.filter((cache) => cache !== null).length;
            const { data } = outputs["logits"]!;
            if (wrong(inputs["input_ids"]!.shape[0]!, sequences)) data[data.length - 1] = Number(data.at(-1)) + 1e-6;
          },
          dispose: () => {
            open--;
            return session.dispose();
          },
        };
      },
    };
    await assert.rejects(openDecoder(MODELS["llama"]!, executor), {
      code: "NUMERICS_UNTRUSTED",
      message: new RegExp(`a token ${how} than`),
    });
    assert.equal(open, 0);
  }
});
