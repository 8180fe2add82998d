import assert from "node:assert/strict";
import { test } from "node:test";
import { comparePieces, jsonOf, KINDS, NASTY } from "./pieces.ts";
import { randomTexts } from "./reference.ts";

for (const [name, kind] of Object.entries(KINDS))
  test(`${name}: ids, offsets and texts are the reference's on random Unicode`, async () => {
    const digest = await comparePieces(name, jsonOf(kind), [...randomTexts(Number(process.env.HN ?? 60), 11, NASTY)], kind.aligned ?? false);
    assert.match(digest, /^[0-9a-f]{64}$/);
  });
