/**
 * Texts of unlike lengths in one run without padding: each text's numbers have the bits that it has alone, for every
 * family whose tokens see all of their text, and in native the bits of the padded layout. Two controls: what the
 * multiple of 4 and the padding by a text's own token are for.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seedFrom } from "../../src/base/index.ts";
import {
  batchInputs,
  FLAT,
  flatInputs,
  initializeParameters,
  modelGraph,
  modelParameters,
  parseModelConfig,
  type Head,
  type ModelConfig,
  type TokenRow,
} from "../../src/language/models/index.ts";
import { createExecutor, firstDifference, type ExecutorName, type Session } from "../../src/numeric/runtime/index.ts";
import { tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";
import { difference } from "../conformance/support.ts";

const V = 41;
const HEADS = 2;
const SIZES = { vocab_size: V, max_position_embeddings: 60 };
const BERT = { ...SIZES, hidden_size: 20, num_hidden_layers: 2, num_attention_heads: HEADS, intermediate_size: 27 };
const FAMILIES: Readonly<Record<string, object>> = {
  bert: BERT,
  roberta: BERT,
  distilbert: { ...SIZES, dim: 20, n_layers: 2, n_heads: HEADS, hidden_dim: 27 },
};
const LENGTHS = [1, 2, 3, 5, 5, 7, 9, 14, 17, 23, 30, 41];
const TEXTS: readonly TokenRow[] = LENGTHS.map((length, text) => ({
  ids: Int32Array.from({ length }, (_, t) => 5 + ((text * 11 + t * t * 3 + t) % (V - 5))),
}));
const BATCHES: readonly (readonly number[])[] = [
  [11, 0],
  [0, 11],
  [3, 4],
  [5, 6, 7],
  [10, 1, 9, 2, 8, 3, 7, 4],
  LENGTHS.map((_, text) => text),
  LENGTHS.map((_, text) => LENGTHS.length - 1 - text),
];
type Inputs = Readonly<Record<string, HostTensor>>;

async function open(name: ExecutorName, config: ModelConfig, head: Head, layout?: typeof FLAT) {
  const executor = await createExecutor(name);
  const weights = Object.fromEntries(initializeParameters(modelParameters(config, head), 0.3, seedFrom("flat")));
  const graph = modelGraph(config, head, layout === undefined ? {} : { layout });
  return { executor, session: await executor.load(graph, { form: "packed", weights }) };
}

async function numbers(session: Session, inputs: Inputs, output: string, rows: number, width: number) {
  const result = tensor("float32", [rows, width], new Float32Array(rows * width));
  await session.run(inputs, { [output]: result });
  return result.data;
}

/** What the head gives for each text of the batch. */
type Ask = (texts: readonly TokenRow[], change?: (inputs: Inputs) => Inputs) => Promise<Float32Array[]>;

function asking(session: Session, config: ModelConfig, head: Head, real: "float32" | "float64" = "float32"): Ask {
  const [output, width] = head.kind === "token" ? (["logits", head.labels] as const) : (["pooled", 20] as const);
  return async (texts, change = (inputs) => inputs) => {
    const inputs = change(flatInputs(texts, config, head, { padId: 1, real }));
    const own = texts.map(({ ids }) => (head.kind === "token" ? ids.length : 1));
    const all = await numbers(
      session,
      inputs,
      output,
      own.reduce((sum, rows) => sum + rows, 0),
      width,
    );
    let at = 0;
    return own.map((rows) => all.slice(at * width, (at += rows) * width));
  };
}

for (const [family, sizes] of Object.entries(FAMILIES)) {
  const { config } = parseModelConfig({ model_type: family, ...sizes });
  for (const head of [
    { kind: "encoder", pooling: "mean" },
    { kind: "encoder", pooling: "last" },
    { kind: "token", labels: 3 },
  ] as const satisfies readonly Head[])
    describe(`${family}, ${Object.values(head).join(" ")}`, async () => {
      const { session: oracle } = await open("reference", config, head, FLAT);
      const expected = await asking(oracle, config, head, "float64")(TEXTS);
      for (const name of ["native", "portable"] as const)
        it(`gives a text the bits that it has alone in ${name}`, async () => {
          const { session } = await open(name, config, head, FLAT);
          const ask = asking(session, config, head);
          const alone: Float32Array[] = [];
          for (const text of TEXTS) alone.push((await ask([text]))[0]!);
          alone.forEach((text, i) => assert.ok(difference(text, expected[i]!) <= 1e-5));
          for (const batch of BATCHES) {
            const together = await ask(batch.map((text) => TEXTS[text]!));
            batch.forEach((text, place) =>
              assert.equal(firstDifference(together[place]!, alone[text]!), -1, `text ${text} in ${batch.join()}`),
            );
          }
          if (name === "native" && head.kind === "encoder") {
            const { session: padded } = await open(name, config, head);
            for (const [i, text] of TEXTS.entries()) {
              const shape = {
                tokens: Math.max(2, text.ids.length),
                minimumRows: 1,
                padId: 1,
                real: "float32" as const,
              };
              const own = await numbers(padded, batchInputs([text], config, head, shape), "pooled", 1, 20);
              assert.equal(firstDifference(alone[i]!, own), -1, `text ${i} as padded rows give it`);
            }
            await padded.dispose();
          }
          await session.dispose();
        });
    });
}

describe("controls", async () => {
  const { config } = parseModelConfig({ model_type: "bert", ...BERT });
  const head: Head = { kind: "token", labels: 3 };

  it("in portable a group of another length than a multiple of 4 gives other bits", async () => {
    const { session } = await open("portable", config, head, FLAT);
    const ask = asking(session, config, head);
    const differs: number[] = [];
    for (const text of TEXTS.filter(({ ids }) => ids.length > 4 && ids.length % 4 !== 0)) {
      const [own] = await ask([text]);
      const [cut] = await ask([text], (inputs) => exactly(inputs, text.ids.length));
      if (firstDifference(own!, cut!) >= 0) differs.push(text.ids.length);
    }
    assert.ok(differs.length > 0);
    await session.dispose();
  });

  it("a text that is not finite changes itself alone, unless it is somebody's padding", async () => {
    const { session } = await open("native", config, head, FLAT);
    const ask = asking(session, config, head);
    const texts = [TEXTS[3]!, TEXTS[7]!];
    const [before] = await ask([texts[0]!]);
    const infinite = { ids: Int32Array.of(2) }; // padded three times
    const weights = Object.fromEntries(initializeParameters(modelParameters(config, head), 0.3, seedFrom("flat")));
    const table = weights["bert.embeddings.word_embeddings.weight"]!.data;
    const executor = await createExecutor("native");
    table.fill(NaN, 2 * 20, 3 * 20);
    const broken = await executor.load(modelGraph(config, head, { layout: FLAT }), { form: "packed", weights });
    const askBroken = asking(broken, config, head);
    const batch = [infinite, ...texts];
    const [own, after] = await askBroken(batch);
    assert.ok(own!.every(Number.isNaN));
    assert.equal(firstDifference(after!, before!), -1);
    const [, foreign] = await askBroken(batch, (inputs) => {
      // the padding of the second text, in whichever group it is, names the first token of all: the infinite one
      const changed = { ...inputs };
      for (const group of [0, 1, 2, 3]) {
        const index = (inputs[`group_heads.${group}`] as HostTensor<"int32">).data.slice();
        const T = inputs[`group_bias.${group}`]!.shape[3]!;
        const bias = inputs[`group_bias.${group}`]!.data;
        index.forEach((place, i) => {
          const [row, head_, t] = [Math.floor(i / (HEADS * T)), Math.floor(i / T) % HEADS, i % T];
          if (bias[row * T + t] === -Infinity) index[i] = head_;
          else index[i] = place;
        });
        changed[`group_heads.${group}`] = tensor("int32", [index.length], index);
      }
      return changed;
    });
    assert.ok(foreign!.some(Number.isNaN));
    await session.dispose();
    await broken.dispose();
  });
});

/** The inputs of one text without the padding to a multiple of 4. */
function exactly(inputs: Inputs, T: number): Inputs {
  const heads = inputs["group_heads.0"] as HostTensor<"int32">;
  const bias = inputs["group_bias.0"] as HostTensor<"float32">;
  const padded = bias.shape[3]!;
  const index = heads.data.filter((_, i) => i % padded < T);
  const own = inputs["group_back"] as HostTensor<"int32">;
  const back = own.data.map((place) => Math.floor(place / padded) * T + (place % padded));
  return {
    ...inputs,
    "group_heads.0": tensor("int32", [index.length], index),
    "group_bias.0": tensor("float32", [1, 1, 1, T], bias.data.slice(0, T)),
    group_back: tensor("int32", own.shape, back),
  };
}
