/** Work on texts in the thread that answers everybody, a little at a time. */
import { setImmediate } from "node:timers/promises";

/** Characters that are tokenized before other events get their turn: some milliseconds. */
export const SLICE = 16_384;

/** Maps texts one after another, giving way to other events after each SLICE of characters. */
export async function inSlices<T>(texts: readonly string[], map: (text: string) => T | Promise<T>): Promise<T[]> {
  const all: T[] = [];
  let characters = 0;
  for (const text of texts) {
    if (characters > 0 && characters + text.length > SLICE) {
      await setImmediate();
      characters = 0;
    }
    all.push(await map(text));
    characters += text.length;
  }
  return all;
}
