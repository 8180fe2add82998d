/**
 * What every primitive of this room stands on: a few Int32 words in a SharedArrayBuffer, and a handle that names them
 * in another thread. A handle survives `postMessage` and `workerData`; the words behind it are shared, never copied.
 * Words are born zero, so a primitive whose first state is all zeros needs no initializer that could be seen half done;
 * what is not zero is stored before the handle exists, and the message that carries the handle orders it.
 */
import { refused } from "./arguments.ts";

export type Words = Int32Array<SharedArrayBuffer>;

export interface SyncHandle<Kind extends string = string> {
  readonly kind: Kind;
  readonly words: Words;
}

export function allocateWords(count: number): Words {
  return new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
}

/** Checks a handle that came from another thread (OPTION_INVALID): a wrong one would corrupt memory in silence. */
export function attachWords<Kind extends string>(handle: SyncHandle<Kind>, kind: Kind, atLeast: number): Words {
  const what = `the handle of a ${kind}`;
  if ((handle as SyncHandle | undefined | null)?.kind !== kind) throw refused(what, `of kind "${kind}"`, handle?.kind);
  const { words } = handle;
  if (!(words instanceof Int32Array && words.buffer instanceof SharedArrayBuffer))
    throw refused(`what lies in ${what}`, "an Int32Array over a SharedArrayBuffer", words);
  if (words.length < atLeast) throw refused(what, `at least ${atLeast} words long`, words.length);
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
