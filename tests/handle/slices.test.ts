/** Tokenizing gives way: between two other events, no more than a slice of characters, or one text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inSlices, SLICE } from "../../src/work/model/slices.ts";

test("no more than a slice between two turns of the event loop, in order, each once", async () => {
  let [turn, over] = [0, false];
  const next = (): void => {
    turn++;
    if (!over) setImmediate(next);
  };
  next();
  const lengths = [...Array.from({ length: 4000 }, (_, i) => i % 97), 3 * SLICE, 1, SLICE, SLICE - 1, 1, 1, 0];
  const seen = new Map<number, number[]>();
  const mapped = await inSlices(
    lengths.map((length) => "x".repeat(length)),
    (text) => {
      seen.set(turn, [...(seen.get(turn) ?? []), text.length]);
      return text.length;
    },
    (text) => text.length,
  );
  over = true;
  assert.deepEqual(mapped, lengths);
  assert.deepEqual([...seen.values()].flat(), lengths);
  for (const slice of seen.values()) {
    const characters = slice.reduce((sum, length) => sum + length, 0);
    assert.ok(characters <= SLICE || slice.length === 1, `${slice.length} texts of ${characters} characters at once`);
  }
  assert.ok(seen.size >= lengths.reduce((sum, length) => sum + length, 0) / (3 * SLICE));
});
