/** What the seeded bugs share: words, and the plainest mutex that works. */

export type Words = Int32Array<SharedArrayBuffer>;
export interface State {
  readonly words: Words;
}

/** `setup` of a program over one array of words, with these values. */
export const startingAs =
  (...values: readonly number[]) =>
  (): State => {
    const words = new Int32Array(new SharedArrayBuffer(4 * values.length));
    words.set(values);
    return { words };
  };

/** U. Drepper's mutex 3 in one word: 0 free, 1 locked, 2 locked and somebody may sleep. */
export function lock(words: Words, at: number): void {
  if (Atomics.compareExchange(words, at, 0, 1) === 0) return;
  while (Atomics.exchange(words, at, 2) !== 0) Atomics.wait(words, at, 2);
}

export function unlock(words: Words, at: number): void {
  if (Atomics.exchange(words, at, 0) === 2) Atomics.notify(words, at, 1);
}
