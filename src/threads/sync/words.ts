/**
 * What every primitive of this room stands on: a few Int32 words in a SharedArrayBuffer, and a handle that names them
 * in another thread. A handle survives `postMessage` and `workerData`; the words behind it are shared, never copied.
 * Words are born zero, so a primitive whose first state is all zeros needs no initializer that could be seen half done;
 * what is not zero is stored before the handle exists, and the message that carries the handle orders it.
 */
import { invariant } from "../../base/index.ts";

export type Words = Int32Array<SharedArrayBuffer>;

export interface SyncHandle<Kind extends string = string> {
  readonly kind: Kind;
  readonly words: Words;
}

export function allocateWords(count: number): Words {
  return new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
}

/** Checks a handle that came from another thread: a wrong one would corrupt memory in silence. */
export function attachWords<Kind extends string>(handle: SyncHandle<Kind>, kind: Kind, atLeast: number): Words {
  invariant(handle.kind === kind, `a handle of kind "${handle.kind}" was given where "${kind}" is needed`);
  const { words } = handle;
  invariant(
    words instanceof Int32Array && words.buffer instanceof SharedArrayBuffer,
    `the words of a ${kind} must be an Int32Array over a SharedArrayBuffer`,
  );
  invariant(words.length >= atLeast, `a ${kind} needs ${atLeast} words, the handle has ${words.length}`);
  return words;
}

/** The word at `index`, which always exists: reading outside would throw in `Atomics`. */
export function load(words: Words, index: number): number {
  return Atomics.load(words, index);
}

/** One compare-and-set; true when this call made the change. */
export function cas(words: Words, index: number, expected: number, replacement: number): boolean {
  return Atomics.compareExchange(words, index, expected, replacement) === expected;
}
