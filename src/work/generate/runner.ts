/**
 * The computing half of the engine: steps as they are ordered, over sequences that it holds. What it holds can be lost
 * at any time; a state brings a sequence back. It knows nothing of queues, keys or time.
 */
import { encodeError, isLockstepError, type EncodedError } from "../../base/index.ts";
import type { Decoder, SequenceStep } from "./contract.ts";
import { Generation, type GeneratedToken, type GenerationText } from "./generation.ts";
import { PrefixCache } from "./prefix-cache.ts";
import type { Sequence } from "./sequence.ts";
import type { GenerationState } from "./state.ts";

export interface StepOrder {
  /** Sequences that are given up. */
  readonly dropped: readonly number[];
  readonly work: readonly StepWork[];
}

export interface StepWork {
  readonly id: number;
  /** New tokens at most. */
  readonly tokens: number;
  /** Where it begins or comes back; null where it is held. */
  readonly state: GenerationState | null;
}

export type StepOutcome =
  | {
      readonly kind: "computed";
      readonly id: number;
      /** Tokens that its cache has now. */
      readonly held: number;
      /** Tokens that it found computed when it began in this step. */
      readonly reused: number;
      /** Null where its prompt goes on. */
      readonly token: GeneratedToken | null;
      readonly digest: string;
    }
  /** It failed for a reason of its own, and is no longer held. */
  | { readonly kind: "failed"; readonly id: number; readonly error: EncodedError };

interface Held {
  readonly id: number;
  readonly generation: Generation;
  readonly sequence: Sequence;
}

interface Part extends Held {
  readonly tokens: number;
  readonly reused: number;
}

export interface RunnerOptions extends GenerationText {
  readonly decoder: Decoder;
  /** Tokens of the prefix cache. */
  readonly prefixTokens: number;
}

export class Runner {
  readonly #decoder: Decoder;
  readonly #text: GenerationText;
  readonly #prefixes: PrefixCache;
  readonly #held = new Map<number, Held>();

  constructor({ decoder, prefixTokens, tokenizer, ends }: RunnerOptions) {
    this.#decoder = decoder;
    this.#text = { tokenizer, ends };
    this.#prefixes = new PrefixCache(prefixTokens);
  }

  get prefixes(): Pick<PrefixCache, "hits" | "room" | "size"> {
    return this.#prefixes;
  }

  /** Throws only where the step was ended from outside; then the same step may be ordered again. */
  async step({ dropped, work }: StepOrder): Promise<StepOutcome[]> {
    for (const id of dropped) this.#drop(id);
    const outcomes: StepOutcome[] = [];
    const parts: Part[] = [];
    for (const { id, tokens, state } of work) {
      try {
        const before = this.#held.has(id) ? null : this.#begin(id, state!);
        const held = this.#held.get(id)!;
        parts.push({ ...held, tokens, reused: before ?? 0 });
      } catch (thrown) {
        outcomes.push({ kind: "failed", id, error: encodeError(thrown) });
      }
    }
    return parts.length === 0 ? outcomes : [...outcomes, ...(await this.#compute(parts))];
  }

  clear(): void {
    for (const { sequence } of this.#held.values()) sequence.close();
    this.#held.clear();
    this.#prefixes.clear();
  }

  /** Returns how many tokens somebody else had computed; never the last one, whose logits are wanted. */
  #begin(id: number, state: GenerationState): number {
    const generation = new Generation(state, this.#text);
    const ids = generation.slice(0, generation.length);
    const sequence = this.#prefixes.fork(ids, ids.length - 1) ?? this.#decoder.open(ids.length);
    this.#held.set(id, { id, generation, sequence });
    return sequence.length;
  }

  async #compute(parts: readonly Part[]): Promise<StepOutcome[]> {
    const steps = parts.map(({ generation, sequence, tokens }): SequenceStep => {
      const to = Math.min(sequence.length + tokens, generation.length);
      return { sequence, ids: generation.slice(sequence.length, to), logits: to === generation.length ? 1 : 0 };
    });
    let logits: Float32Array[];
    try {
      logits = await this.#decoder.step(steps);
    } catch (thrown) {
      if (isLockstepError(thrown) && thrown.code === "CANCELLED") throw thrown;
      if (parts.length === 1) return [this.#failed(parts[0]!.id, thrown)];
      const alone: StepOutcome[] = []; // one of them is at fault
      for (const part of parts) alone.push(...(await this.#compute([part])));
      return alone;
    }
    return parts.map((part, at) => this.#outcome(part, steps[at]!.logits === 1 ? logits[at]! : null));
  }

  #outcome({ id, generation, sequence, reused }: Part, logits: Float32Array | null): StepOutcome {
    let token: GeneratedToken | null = null;
    try {
      if (logits !== null) token = generation.next(logits);
    } catch (thrown) {
      return this.#failed(id, thrown);
    }
    const held = sequence.length;
    if (generation.finish !== null) this.#drop(id);
    return { kind: "computed", id, held, reused, token, digest: generation.digest };
  }

  #failed(id: number, thrown: unknown): StepOutcome {
    this.#held.get(id)?.sequence.close();
    this.#held.delete(id);
    return { kind: "failed", id, error: encodeError(thrown) };
  }

  #drop(id: number): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    this.#held.delete(id);
    this.#prefixes.keep(held.generation.slice(0, held.sequence.length), held.sequence);
  }
}
