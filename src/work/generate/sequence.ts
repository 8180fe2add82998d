/**
 * One sequence of a decoder: how many tokens were computed, and the cache that has their keys and values. What the
 * tokens are, whoever decodes knows. It may go back to any earlier token, be copied, and leave as bytes.
 */
import { LockstepError } from "../../base/index.ts";
import type { Cache } from "../../numeric/runtime/index.ts";

export interface Sequence {
  /** Tokens whose keys and values are there; the next one's position. */
  readonly length: number;
  /** Memory that it takes. */
  readonly bytes: number;
  /** Forgets the tokens from `length` on: guesses that were wrong, say. @throws OPTION_INVALID */
  rewind(length: number): void;
  /** Another sequence with the first tokens of this one, all of them by default. @throws OPTION_INVALID */
  fork(length?: number): Sequence;
  /** For a sequence of the same version in the same profile: in another replica, or later. */
  export(): Uint8Array;
  /** Takes what `export` gave in place of what it had. @throws INPUT_INVALID for bytes of another kind of model */
  import(bytes: Uint8Array): void;
  /** Gives its memory back; it is empty for good. Idempotent. */
  close(): void;
}

/** What a decoder holds of a sequence. */
export class HeldSequence implements Sequence {
  readonly cache: Cache;
  /** The decoder that it belongs to. */
  readonly owner: object;
  readonly #open: (tokens: number) => HeldSequence;
  #length = 0;

  /** `open` makes an empty one of the same decoder, with room for so many tokens. */
  constructor(owner: object, cache: Cache, open: (tokens: number) => HeldSequence) {
    this.owner = owner;
    this.cache = cache;
    this.#open = open;
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.cache.bytes;
  }

  /** After a step that computed so many tokens more. */
  extend(tokens: number): void {
    this.#length += tokens;
  }

  rewind(length: number): void {
    this.#length = this.#within(length);
  }

  fork(length = this.#length): Sequence {
    const copy = this.#open(Math.max(1, this.#within(length)));
    if (length > 0) copy.import(this.cache.export(length));
    return copy;
  }

  export(): Uint8Array {
    return this.cache.export(this.#length);
  }

  import(bytes: Uint8Array): void {
    this.#length = this.cache.import(bytes);
  }

  close(): void {
    this.#length = 0;
    this.cache.free();
  }

  #within(length: number): number {
    if (!Number.isSafeInteger(length) || length < 0 || length > this.#length)
      throw new LockstepError("OPTION_INVALID", `a sequence of ${this.#length} tokens has no first ${length}`, {
        length,
      });
    return length;
  }
}
