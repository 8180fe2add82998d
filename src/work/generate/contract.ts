/** What a decoder offers: sequences, and steps that compute new tokens of them. */
import type { Profile } from "../../numeric/runtime/index.ts";
import type { Sequence } from "./sequence.ts";

/** New tokens of one sequence. */
export interface SequenceStep {
  readonly sequence: Sequence;
  /** At least one: a prompt or a part of it, the token that was chosen last, guesses after it. */
  readonly ids: Int32Array;
  /** Of so many of them, counted from the last, the logits of what comes next are wanted. @default 1 */
  readonly logits?: number;
}

export interface Decoder {
  readonly profile: Profile;
  /** Most sequences of a step. */
  readonly slots: number;
  /** Most tokens of a sequence. */
  readonly context: number;
  /** V */
  readonly vocabulary: number;
  /** An empty sequence with room for so many tokens to begin with; it grows. @default 64 */
  open(tokens?: number): Sequence;
  /**
   * Computes these tokens of all these sequences in one run. Gives [logits, V] of each, in order: views that hold
   * until the next step. Attention takes 4 bytes for each head, new token and token of its cache's capacity while it
   * runs: a long prompt goes in parts of a few hundred tokens, which changes no bit. Where a step fails no sequence has
   * changed, and it may be done again. One step at a time.
   * @throws INPUT_INVALID for no token, more sequences than slots, one twice, or an id outside the vocabulary;
   *   INPUT_TOO_LARGE beyond `context` or out of memory; CANCELLED where another thread ended the run; RUNTIME_FAILED
   */
  step(work: readonly SequenceStep[]): Promise<Float32Array[]>;
  /** Releases the programs. Sequences are closed by who opened them. Idempotent. */
  dispose(): Promise<void>;
}
