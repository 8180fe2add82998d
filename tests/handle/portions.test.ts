/** Tokenizing gives way: between two other events, no more than a portion of characters, or one text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inPortions, PORTION } from "../../src/work/model/portions.ts";

test("no more than a portion between two turns of the event loop, in order, each once", async () => {
  let [turn, over] = [0, false];
  const next = (): void => {
    turn++;
    if (!over) setImmediate(next);
  };
  next();
  const lengths = [...Array.from({ length: 4000 }, (_, i) => i % 97), 3 * PORTION, 1, PORTION, PORTION - 1, 1, 1, 0];
  const seen = new Map<number, number[]>();
  const mapped = await inPortions(
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
  for (const portion of seen.values()) {
    const characters = portion.reduce((sum, length) => sum + length, 0);
    assert.ok(
      characters <= PORTION || portion.length === 1,
      `${portion.length} texts of ${characters} characters at once`,
    );
  }
  assert.ok(seen.size >= lengths.reduce((sum, length) => sum + length, 0) / (3 * PORTION));
});
