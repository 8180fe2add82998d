/** Work on texts in the thread that answers everybody, a little at a time. */
import { setImmediate } from "node:timers/promises";

/** Characters that are tokenized before other events get their turn: some milliseconds. */
export const PORTION = 16_384;

/** Maps items one after another, giving way to other events after each PORTION of characters (`lengthOf` an item). */
export async function inPortions<Item, T>(
  items: readonly Item[],
  map: (item: Item) => T | Promise<T>,
  lengthOf: (item: Item) => number,
): Promise<T[]> {
  const all: T[] = [];
  let characters = 0;
  for (const item of items) {
    const length = lengthOf(item);
    if (characters > 0 && characters + length > PORTION) {
      await setImmediate();
      characters = 0;
    }
    all.push(await map(item));
    characters += length;
  }
  return all;
}
