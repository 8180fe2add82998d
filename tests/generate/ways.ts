/** Ways of computing the logits of a sequence's tokens that must all give the same bits, and models to try. */
import { seedFrom } from "../../src/base/index.ts";
import {
  cacheShapeOf,
  decodeGraph,
  DecodeInputs,
  initializeParameters,
  matchWeights,
  modelParameters,
  parseModelConfig,
  type ModelConfig,
} from "../../src/language/models/index.ts";
import type { Executor } from "../../src/numeric/runtime/index.ts";
import { tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";
import { openDecoder, type Decoder, type Sequence } from "../../src/work/generate/index.ts";
import { stories } from "../models/stories.ts";

export interface Model {
  readonly config: ModelConfig;
  readonly weights: Readonly<Record<string, HostTensor<"float32">>>;
}

/** A model of made-up weights. */
export function modelOf(json: object, deviation = 0.3, kind: "causal-lm" | "masked-lm" = "causal-lm"): Model {
  const { config } = parseModelConfig(json);
  const parameters = modelParameters(config, { kind });
  return { config, weights: Object.fromEntries(initializeParameters(parameters, deviation, seedFrom("decode"))) };
}

export function storiesModel(): Model {
  const { json, tensors } = stories();
  const { config } = parseModelConfig(json);
  const { weights } = matchWeights(config, modelParameters(config, { kind: "causal-lm" }), tensors);
  return { config, weights: Object.fromEntries(weights) };
}

/** Ids that look like chance, another list for each salt. */
export function idsOf(count: number, vocabulary: number, salt = 0): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (i * i * 31 + i * (7 + 13 * salt) + 5 * salt + 3) % vocabulary);
}

/** An executor that writes down how many sequences each of its runs really had, and how many rows. */
export function counting(executor: Executor): { executor: Executor; runs: { sequences: number; rows: number }[] } {
  const runs: { sequences: number; rows: number }[] = [];
  return {
    runs,
    executor: {
      ...executor,
      load: async (graph, options) => {
        const session = await executor.load(graph, options);
        return {
          profile: session.profile,
          dispose: () => session.dispose(),
          run: (inputs, outputs, random, more) => {
            const sequences = (more?.caches ?? []).filter((cache) => cache !== null).length;
            runs.push({ sequences, rows: inputs["input_ids"]!.shape[0]! });
            return session.run(inputs, outputs, random, more);
          },
        };
      },
    },
  };
}

/** The sequence in parts of these sizes, alone; the logits of every token. */
export async function inParts(
  decoder: Decoder,
  ids: Int32Array,
  sizes: readonly number[],
  sequence = decoder.open(),
): Promise<Float32Array> {
  const V = decoder.vocabulary;
  const all = new Float32Array(ids.length * V);
  for (const size of sizes) {
    const past = sequence.length;
    const [logits] = await decoder.step([{ sequence, ids: ids.subarray(past, past + size), logits: size }]);
    all.set(logits!, past * V);
  }
  sequence.close();
  return all;
}

/** The logits of the last token of every first part, each computed from nothing. */
export async function recomputed(decoder: Decoder, ids: Int32Array): Promise<Float32Array> {
  const V = decoder.vocabulary;
  const all = new Float32Array(ids.length * V);
  for (let end = 1; end <= ids.length; end++) {
    const sequence = decoder.open();
    const [logits] = await decoder.step([{ sequence, ids: ids.subarray(0, end) }]);
    all.set(logits!, (end - 1) * V);
    sequence.close();
  }
  return all;
}

/**
 * The sequence in the given place among mates that decode and prefill by turns, start late and end early: its own parts
 * are 1, 1, 5, 1, … tokens.
 */
export async function amongMates(
  decoder: Decoder,
  ids: Int32Array,
  { place, mates }: { readonly place: number; readonly mates: number },
): Promise<Float32Array> {
  const V = decoder.vocabulary;
  const all = new Float32Array(ids.length * V);
  const sequence = decoder.open();
  const others: Sequence[] = Array.from({ length: mates }, () => decoder.open());
  for (let step = 0; sequence.length < ids.length; step++) {
    const past = sequence.length;
    const size = Math.min(step % 3 === 2 ? 5 : 1, ids.length - past);
    const work = others.map((mate, m) => {
      if (mate.length + 9 > decoder.context || (m + step) % 7 === 6) mate.rewind(0); // another one begins
      return { sequence: mate, ids: idsOf((m + step) % 3 === 0 ? 9 : 1, V, m + step), logits: (m + step) % 2 };
    });
    work.splice(place, 0, { sequence, ids: ids.subarray(past, past + size), logits: size });
    const results = await decoder.step(work);
    all.set(results[place]!, past * V);
  }
  for (const one of [sequence, ...others]) one.close();
  return all;
}

/** As a careless assembly would: single tokens, and attention sees one row. */
export async function undoubled(
  { config, weights }: Model,
  executor: Executor,
  ids: Int32Array,
): Promise<Float32Array> {
  const graph = decodeGraph(config, { slots: 1 });
  const session = await executor.load(graph, { form: "packed", weights });

  const cache = executor.createCache(cacheShapeOf(graph), ids.length);
  const assembly = new DecodeInputs(config, { real: "float32" });
  const V = config.vocab_size;
  const all = new Float32Array(ids.length * V);
  for (const [past, id] of ids.entries()) {
    const { inputs } = assembly.of([{ ids: Int32Array.of(id), past, logits: 1 }]);
    const logits = tensor("float32", [1, V], all.subarray(past * V, (past + 1) * V));
    const lone = {
      ...inputs,
      "attention_rows.0": tensor("int32", [1], Int32Array.of(0)),
      "attention_total.0": tensor("int32", [], Int32Array.of(past + 1)),
    };
    await session.run(lone, { logits }, undefined, { caches: [cache] });
  }
  await session.dispose();
  return all;
}

/** The decoder of this model; `use` may keep nothing of it. */
export async function withDecoder<T>(
  model: Model,
  executor: Executor,
  use: (decoder: Decoder) => Promise<T>,
  options: Parameters<typeof openDecoder>[2] = {},
): Promise<T> {
  const decoder = await openDecoder(model, executor, options);
  try {
    return await use(decoder);
  } finally {
    await decoder.dispose();
  }
}
