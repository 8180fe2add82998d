/**
 * The promise of generation, whole: a token's logits are one bit pattern however its sequence was cut into steps and
 * whoever was in them, for real weights over 161 tokens, and for layers as wide as the library's larger kernels, past
 * the lengths at which products are cut. It takes half a minute on a quiet core. @concurrent
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  createExecutor,
  createNativeExecutor,
  firstDifference,
  type Executor,
} from "../../src/numeric/runtime/index.ts";
import { storiesReference } from "../models/stories.ts";
import {
  amongMates,
  counting,
  idsOf,
  inParts,
  modelOf,
  recomputed,
  storiesModel,
  undoubled,
  withDecoder,
  type Model,
} from "./ways.ts";

interface Case {
  readonly model: Model;
  readonly ids: Int32Array;
}
const V = 1031; // no multiple of anything
const WIDE = { vocab_size: V, num_hidden_layers: 2, max_position_embeddings: 512 };
const CASES: Readonly<Record<string, Case>> = {
  stories260K: { model: storiesModel(), ids: Int32Array.from(storiesReference().ids) },
  "a wide GPT-2": {
    model: modelOf({ model_type: "gpt2", vocab_size: V, n_embd: 320, n_layer: 2, n_head: 5, n_positions: 512 }, 0.05),
    ids: idsOf(150, V),
  },
  "a wide Qwen3": {
    model: modelOf(
      {
        ...WIDE,
        model_type: "qwen3",
        hidden_size: 288,
        intermediate_size: 800,
        num_attention_heads: 6,
        num_key_value_heads: 2,
        head_dim: 80,
      },
      0.05,
    ),
    ids: idsOf(180, V),
  },
  "a wide Mistral with a window": {
    model: modelOf(
      {
        ...WIDE,
        model_type: "mistral",
        hidden_size: 192,
        intermediate_size: 500,
        num_attention_heads: 3,
        num_key_value_heads: 1,
        sliding_window: 40,
      },
      0.05,
    ),
    ids: idsOf(140, V),
  },
};
/** With how many of the places among mates each is tried: one in so many. */
const EXECUTORS: Readonly<Record<string, readonly [Executor, number]>> = {
  native: [await createNativeExecutor(), 3],
  "native with two threads": [await createNativeExecutor({ intraOpThreads: 2 }), 12],
  portable: [await createExecutor("portable"), 17],
};

/** Every place among 1 to 7 mates. */
const PLACES = Array.from({ length: 7 }, (_, m) => m + 1).flatMap((mates) =>
  Array.from({ length: mates + 1 }, (_, place) => ({ place, mates })),
);

/** Sizes that add up to the count: these again and again. */
function cut(count: number, sizes: readonly number[]): number[] {
  const parts: number[] = [];
  for (let rest = count; rest > 0; rest -= parts.at(-1)!)
    parts.push(Math.min(rest, sizes[parts.length % sizes.length]!));
  return parts;
}

for (const [what, { model, ids }] of Object.entries(CASES))
  describe(what, () => {
    let first: { readonly executor: string; readonly pattern: Float32Array } | null = null;
    for (const [name, [executor, oneIn]] of Object.entries(EXECUTORS))
      it(`is one bit pattern in ${name}`, async (t) => {
        const { executor: counted, runs } = counting(executor);
        await withDecoder(model, counted, async (decoder) => {
          const pattern = await inParts(decoder, ids, [ids.length]);
          assert.ok(pattern.every(Number.isFinite));
          const same = (logits: Float32Array, how: string): void =>
            assert.equal(firstDifference(logits, pattern), -1, how);
          if (first === null) first = { executor: executor.name, pattern };
          else if (first.executor === executor.name) same(first.pattern, "as with another number of threads");
          for (const sizes of [
            [1],
            [2],
            [3],
            [16],
            [32],
            [33],
            [64, 1],
            [ids.length - 1, 1],
            [1, ids.length - 1],
            [7, 1, 1, 50],
          ])
            same(await inParts(decoder, ids, cut(ids.length, sizes)), `in parts of ${sizes.join()}`);
          for (const room of [1, 65, 1000])
            same(await inParts(decoder, ids, cut(ids.length, [40, 1]), decoder.open(room)), `in a buffer of ${room}`);
          const anew = await recomputed(decoder, ids.subarray(0, 40));
          assert.equal(firstDifference(anew, pattern.subarray(0, anew.length)), -1, "whole, for each token anew");
          const others = { slots: [3], evenRows: true };
          const parts = cut(ids.length, [50, 1, 1, 3]);
          same(await withDecoder(model, executor, (one) => inParts(one, ids, parts), others), "rows in even numbers");
          const before = runs.length;
          const places = PLACES.filter((_, i) => i % oneIn === 0);
          for (const one of places) same(await amongMates(decoder, ids, one), `${one.place} among ${one.mates}`);
          const together = runs.slice(before);
          assert.ok(together.length > 30 * places.length && together.every(({ sequences }) => sequences >= 2));
          t.diagnostic(
            `${ids.length} tokens, ${runs.length} runs, of which ${together.length} with ` +
              `${(together.reduce((sum, { sequences }) => sum + sequences, 0) / together.length).toFixed(1)} sequences`,
          );
          assert.notEqual(
            firstDifference(await undoubled(model, executor, ids), pattern),
            -1,
            "the control: attention sees one row, and nobody would notice",
          );
        });
      });
  });
