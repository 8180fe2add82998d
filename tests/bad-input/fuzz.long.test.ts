/**
 * A model folder damaged at random, thousands of times: it is refused with a typed error, or it is another valid one;
 * never a crash, a hang, or a fault of ours. @concurrent
 */
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { bits, isLockstepError, PURPOSE, seedFrom } from "../../src/base/index.ts";
import { list } from "../../src/edge/api/index.ts";
import { checkWeightsSize, readEncoder, readVersion, type VersionFiles } from "../../src/work/infer/index.ts";
import { tinyStore } from "../stress/tiny-store.ts";

const DAMAGES = 3000;
/** Of the processor's time: what else runs does not count. */
const SLOW_MS = 2000;
const VALUES = [
  "0",
  "-1",
  "1e999",
  "99999999999",
  "2147483648",
  "1.5",
  "null",
  '"x"',
  "[]",
  "{}",
  "true",
  '"__proto__"',
];
/** Characters that JSON is made of, and bytes that are no UTF-8. */
const BYTES = [...Buffer.from('"{}[],:09-e\\\0'), 0xff, 0xc3];

/** Draws below `n`, one after another. */
type Draw = (n: number) => number;

/** Only the head of a large file: damage to numbers in the middle of weights is just another model. */
function damaged(source: Uint8Array, draw: Draw): Uint8Array {
  const end = Math.min(source.length, 5000);
  const bytes = Buffer.from(source);
  const at = draw(end);
  switch (draw(4)) {
    case 0:
      bytes[at] = BYTES[draw(BYTES.length)]!;
      return bytes;
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + draw(20))]);
    case 2: {
      const from = draw(end);
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + 1 + draw(40)), bytes.subarray(at)]);
    }
    default: {
      const text = bytes.subarray(0, end).toString("latin1");
      const numbers = [...text.matchAll(/(?<=[:,[]\s*)(?:-?\d+(?:\.\d+)?|true|false|null|"[^"]*")/g)];
      const found = numbers[draw(Math.max(1, numbers.length))];
      if (found === undefined) return bytes;
      const changed =
        text.slice(0, found.index) + VALUES[draw(VALUES.length)]! + text.slice(found.index + found[0].length);
      return Buffer.concat([Buffer.from(changed, "latin1"), bytes.subarray(end)]);
    }
  }
}

test("random damage to every file of a model folder", { timeout: 300_000 }, async (t) => {
  await using tiny = await tinyStore([1]);
  const { folder } = (await list(tiny.store)).versions[0]!;
  const names = (await readdir(folder)).filter((name) => name !== "manifest.json").sort();
  const good: VersionFiles = new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)),
  );
  const codes = new Map<string, number>();
  const seed = seedFrom("damage");
  for (let damage = 0; damage < DAMAGES; damage++) {
    let index = 0;
    const draw: Draw = (n) => bits(seed, PURPOSE.test, damage, 0, index++) % n;
    const name = names[draw(names.length)]!;
    const files = new Map(good).set(name, damaged(good.get(name)!, draw));
    const started = process.cpuUsage();
    for (const read of [
      async () => {
        checkWeightsSize(files, files.get("model.safetensors")!.length);
        await readVersion(files).tokenizer.encode("where is my parcel now?");
      },
      async () => {
        readEncoder(files, 32);
      },
    ]) {
      try {
        await read();
        codes.set("accepted", (codes.get("accepted") ?? 0) + 1);
      } catch (thrown) {
        assert.ok(
          isLockstepError(thrown) && thrown.code !== "INTERNAL",
          `damage ${damage} to ${name}: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`,
        );
        codes.set(thrown.code, (codes.get(thrown.code) ?? 0) + 1);
      }
    }
    const { user, system } = process.cpuUsage(started);
    const took = (user + system) / 1000;
    assert.ok(took < SLOW_MS, `damage ${damage} to ${name} took ${Math.round(took)} ms`);
  }
  t.diagnostic([...codes].map(([code, count]) => `${code} ${count}`).join(", "));
  for (const code of ["accepted", "MODEL_INVALID", "WEIGHTS_INVALID", "TOKENIZER_INVALID"])
    assert.ok((codes.get(code) ?? 0) > 20, code);
});
