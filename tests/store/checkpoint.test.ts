/** Checkpoints: exact, kept in twos, and never trusted without their hash. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { loadLatestCheckpoint, saveCheckpoint } from "../../src/work/store/index.ts";

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-checkpoint-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

function content(step: number) {
  const memory = new SharedArrayBuffer(65536);
  new Float32Array(memory, 128, 1000).forEach((_, i, weights) => {
    weights[i] = i * step + 0.5;
  });
  return {
    step,
    meta: { phase: "fine-tune", losses: [1.5, 0.25], none: null },
    buffers: new Map<string, Uint8Array>([
      ["weights", new Uint8Array(memory, 128, 4000)],
      ["empty", new Uint8Array(0)],
      ["a", new Uint8Array([1, 2, 3])],
    ]),
  };
}

test("what is loaded is what was saved, bit for bit, from shared memory too", async (t) => {
  const folder = join(await temporary(t), "runs", "one");
  assert.equal(await loadLatestCheckpoint(folder), undefined);
  await saveCheckpoint(folder, content(12));
  const loaded = await loadLatestCheckpoint(folder);
  assert.ok(loaded !== undefined);
  assert.equal(loaded.step, 12);
  assert.deepEqual(loaded.meta, content(12).meta);
  assert.deepEqual(loaded.skipped, []);
  for (const [name, bytes] of content(12).buffers) assert.deepEqual([...loaded.buffers.get(name)!], [...bytes], name);
  const weights = loaded.buffers.get("weights")!;
  assert.equal(new Float32Array(weights.buffer, weights.byteOffset, 1000)[3], 36.5, "aligned for any typed array");
});

test("the last two are kept, the newest is loaded, and the same step may be saved again", async (t) => {
  const folder = await temporary(t);
  for (const step of [1, 5, 20, 100, 100]) await saveCheckpoint(folder, content(step));
  const names = (await readdir(folder)).filter((name) => name !== "writing.lock");
  assert.deepEqual(names, ["step-000000000020.checkpoint", "step-000000000100.checkpoint"]);
  assert.equal((await loadLatestCheckpoint(folder))?.step, 100);
});

test("any changed, missing or added byte is found; the one before is used, and that is said", async (t) => {
  const folder = await temporary(t);
  await saveCheckpoint(folder, content(1));
  const path = await saveCheckpoint(folder, content(2));
  const original = await readFile(path);
  const damages = [
    Buffer.alloc(0),
    original.subarray(0, 20),
    original.subarray(0, -1),
    Buffer.concat([original, Buffer.alloc(1)]),
  ];
  for (let at = 0; at < original.length; at += 97) {
    const changed = Buffer.from(original);
    changed[at]! ^= 0x10;
    damages.push(changed);
  }
  for (const damaged of damages) {
    await writeFile(path, damaged);
    const loaded = await loadLatestCheckpoint(folder);
    assert.equal(loaded?.step, 1);
    assert.equal(loaded?.skipped.length, 1);
    assert.match(loaded?.skipped[0]?.reason ?? "", /step-000000000002\.checkpoint is damaged/);
  }
});

test("when none can be used, that is an error, not a fresh start", async (t) => {
  const folder = await temporary(t);
  for (const step of [1, 2])
    await writeFile(await saveCheckpoint(folder, content(step)), "nonsense, and longer than a digest would be");
  await assert.rejects(
    loadLatestCheckpoint(folder),
    (error) => isLockstepError(error) && error.code === "CHECKPOINT_INVALID" && /0002.*0001/.test(error.message),
  );
});
