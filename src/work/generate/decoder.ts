/**
 * A language model that computes new tokens of sequences, several at a time: the lower half of generation, which knows
 * nothing of sampling, queues or text. A token's logits are a function of the sequence alone: prompts whole or in
 * chunks, tokens one by one, beside whatever mates, are one bit pattern in packed form (tests/generate).
 */
import { LockstepError } from "../../base/index.ts";
import { cacheShapeOf, decodeGraph, DecodeInputs, type ModelConfig } from "../../language/models/index.ts";
import type { Executor, PackedHandle, Profile, Session } from "../../numeric/runtime/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import type { Decoder, SequenceStep } from "./contract.ts";
import { selfCheckSteps } from "./self-check.ts";
import { HeldSequence, type Sequence } from "./sequence.ts";

export interface DecoderOptions {
  /**
   * Sequences that a step may have, a program each: a step runs in the smallest program with room for it, since a slot
   * without a sequence costs something. Increasing. Each program packs the weights again unless `packed` is given.
   * @default [1, 4, 8]
   */
  readonly slots?: readonly number[];
  /** See `DecodeInputsOptions`. @default false, right for float32 */
  readonly evenRows?: boolean;
  /** Compare a text whole, in parts and beside a mate, bit for bit, before the first step. @default true */
  readonly selfCheck?: boolean;
  /** See LoadOptions.packed. @default a copy of the weights for each program */
  readonly packed?: PackedHandle;
}

/** What is decoded: a version has these two, and so has a folder that was just read. */
export interface LanguageModel {
  readonly config: ModelConfig;
  readonly weights: Readonly<Record<string, HostTensor<"float32">>>;
}

/**
 * @throws OPTION_INVALID; MODEL_INVALID for a model that has no next token or heads wider than 128; RUNTIME_FAILED;
 *   NUMERICS_UNTRUSTED where a token's bits depend on its step here
 */
export async function openDecoder(
  model: LanguageModel,
  executor: Executor,
  options: DecoderOptions = {},
): Promise<Decoder> {
  const { slots = [1, 4, 8], evenRows = false, packed } = options;
  if (slots.length === 0 || slots.some((count, i) => !Number.isInteger(count) || count <= (slots[i - 1] ?? 0)))
    throw new LockstepError(
      "OPTION_INVALID",
      `slots are positive integers in increasing order, not [${slots.join()}]`,
      {
        option: "slots",
      },
    );
  const programs: Program[] = [];
  try {
    for (const count of slots) {
      const graph = decodeGraph(model.config, { slots: count });
      const session = await executor.load(graph, {
        name: `decoding ${count} at a time`,
        form: "packed",
        weights: model.weights,
        ...(packed === undefined ? {} : { packed }),
      });
      programs.push({ slots: count, session, shape: cacheShapeOf(graph) });
    }
  } catch (thrown) {
    for (const { session } of programs) await session.dispose();
    throw thrown;
  }
  const decoder = new PackedDecoder(model.config, executor, programs, evenRows);
  if (options.selfCheck ?? true) {
    try {
      await selfCheckSteps(decoder, programs[0]!.shape.width);
    } catch (thrown) {
      await decoder.dispose();
      throw thrown;
    }
  }
  return decoder;
}

interface Program {
  readonly slots: number;
  readonly session: Session;
  readonly shape: ReturnType<typeof cacheShapeOf>;
}

class PackedDecoder implements Decoder {
  readonly profile: Profile;
  readonly slots: number;
  readonly context: number;
  readonly vocabulary: number;
  readonly #executor: Executor;
  readonly #programs: readonly Program[];
  readonly #inputs: DecodeInputs;
  #logits: Float32Array | Float64Array = new Float32Array(0);

  constructor(config: ModelConfig, executor: Executor, programs: readonly Program[], evenRows: boolean) {
    this.profile = programs[0]!.session.profile;
    this.slots = programs.at(-1)!.slots;
    this.context = config.max_position_embeddings;
    this.vocabulary = config.vocab_size;
    this.#executor = executor;
    this.#programs = programs;
    this.#inputs = new DecodeInputs(config, { real: executor.real, evenRows });
  }

  open(tokens = 1): Sequence {
    const open = (room: number): HeldSequence =>
      new HeldSequence(this, this.#executor.createCache(this.#programs[0]!.shape, room), open);
    return open(tokens);
  }

  async step(work: readonly SequenceStep[]): Promise<Float32Array[]> {
    const { slots, session } = this.#programFor(work);
    const sequences = work.map(({ sequence }, slot) => this.#own(sequence, slot));
    const rows = work.map(({ sequence, ids, logits = 1 }) => ({ ids, past: sequence.length, logits }));
    const idle = new Array<null>(slots - work.length).fill(null);
    const { inputs, logits, firsts, rooms } = this.#inputs.of([...rows, ...idle]);
    sequences.forEach(({ cache }, slot) => {
      cache.reserve(rooms[slot]!);
    });
    const V = this.vocabulary;
    const outputs = { logits: this.#output(logits) };
    await session.run(inputs, outputs, undefined, {
      caches: [...sequences.map(({ cache }) => cache), ...idle],
    });
    sequences.forEach((sequence, slot) => {
      sequence.extend(rows[slot]!.ids.length);
    });
    const { data } = outputs.logits;
    const single = data instanceof Float32Array ? data : Float32Array.from(data); // the oracle's, for comparison
    return rows.map((row, slot) => single.subarray(firsts[slot]! * V, (firsts[slot]! + row.logits) * V));
  }

  async dispose(): Promise<void> {
    for (const { session } of this.#programs) await session.dispose();
  }

  #own(sequence: Sequence, slot: number): HeldSequence {
    if (sequence instanceof HeldSequence && sequence.owner === this) return sequence;
    throw new LockstepError("INPUT_INVALID", `the sequence in place ${slot} of the step is another decoder's`, {
      slot,
    });
  }

  #programFor(work: readonly SequenceStep[]): Program {
    const found = this.#programs.find(({ slots }) => slots >= work.length);
    if (work.length === 0 || found === undefined)
      throw new LockstepError("INPUT_INVALID", `a step has 1 to ${this.slots} sequences, not ${work.length}`, {
        sequences: work.length,
      });
    return found;
  }

  /** [P, V], in memory that is used again. */
  #output(rows: number): HostTensor<"float32"> | HostTensor<"float64"> {
    const length = rows * this.vocabulary;
    const single = this.#executor.real === "float32";
    if (this.#logits.length < length || single !== this.#logits instanceof Float32Array)
      this.#logits = single ? new Float32Array(length) : new Float64Array(length);
    const [shape, data] = [[rows, this.vocabulary], this.#logits.subarray(0, length)];
    return data instanceof Float32Array ? tensor("float32", shape, data) : tensor("float64", shape, data);
  }
}
