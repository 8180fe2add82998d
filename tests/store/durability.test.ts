/**
 * Killing a process does not test durability: the system keeps what was written. Here power fails after every single
 * operation, and whatever was not synced may be lost. What is found must be the old state or the new one, and after
 * success the new one.
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nodeFileSystem, openStore, saveCheckpoint, type FileSystem } from "../../src/work/store/index.ts";
import { crashes } from "./support/crashes.ts";
import { recording, SimulatedDisk, type Operation } from "./support/simulated-disk.ts";
import { bytes, checkpointState, FIRST, SECOND, storeState } from "./support/state.ts";

const ROOT = "/store";

type Work = (fs: FileSystem) => Promise<unknown>;

/** Runs `before` and `work` on a fresh disk; returns the operations of each. */
async function record(
  before: Work,
  work: Work,
): Promise<{ before: Operation[]; log: Operation[]; found: SimulatedDisk }> {
  const disk = new SimulatedDisk();
  const first: Operation[] = [];
  const log: Operation[] = [];
  await before(recording(disk.asFileSystem(), first));
  await work(recording(disk.asFileSystem(), log));
  return { before: first, log, found: disk };
}

/**
 * The states that a crash anywhere in `work` can lead to; the last element says whether success means the new state.
 */
async function outcomes(
  before: Work,
  work: Work,
  state: (fs: FileSystem) => Promise<unknown>,
  drop: (operation: Operation) => boolean = () => false,
) {
  const run = await record(before, work);
  const log = run.log.filter((operation) => !drop(operation));
  const seen = new Set<string>();
  const final = new Set<string>();
  let count = 0;
  for (const { done, disk } of crashes(run.before, log)) {
    count++;
    const text = await state(disk.asFileSystem()).then(
      (value) => JSON.stringify(value),
      (error: unknown) => `broken: ${String(error)}`,
    );
    seen.add(text);
    if (done === log.length) final.add(text);
  }
  return { seen, final, count, now: JSON.stringify(await state(run.found.asFileSystem())) };
}

const withFirst: Work = async (fs) =>
  (await openStore(ROOT, { fs, create: true })).publish(FIRST, { alias: "champion" });
const publishSecond: Work = async (fs) => (await openStore(ROOT, { fs })).publish(SECOND);
const state = (fs: FileSystem) => storeState(ROOT, fs);

test("publishing is old or new at every crash point, and new after success", async (t) => {
  const { seen, final, count, now } = await outcomes(withFirst, publishSecond, state);
  t.diagnostic(`${count} crashes`);
  assert.equal(seen.size, 2, [...seen].join("\n"));
  assert.deepEqual([...final], [now]);
  assert.ok(count > 200);
});

test("an alias is old or new", async () => {
  const two: Work = async (fs) => {
    await withFirst(fs);
    await publishSecond(fs);
  };
  const move: Work = async (fs) => {
    const store = await openStore(ROOT, { fs });
    await store.setAlias("champion", (await store.list()).find(({ aliases }) => aliases.length === 0)!.name);
  };
  const { seen, final, now } = await outcomes(two, move, state);
  assert.equal(seen.size, 2, [...seen].join("\n"));
  assert.deepEqual([...final], [now]);
});

test("a removed version is there or gone, never half", async () => {
  const two: Work = async (fs) => {
    await withFirst(fs);
    await publishSecond(fs);
  };
  const removal: Work = async (fs) => {
    const store = await openStore(ROOT, { fs });
    await store.remove((await store.list()).find(({ aliases }) => aliases.length === 0)!.name);
  };
  const { seen, final, now } = await outcomes(two, removal, state);
  assert.equal(seen.size, 2, [...seen].join("\n"));
  assert.deepEqual([...final], [now]);
});

test("making a store, interrupted anywhere, can be done again", async () => {
  const again = async (fs: FileSystem): Promise<unknown> => {
    await withFirst(fs);
    return state(fs);
  };
  const { seen, final } = await outcomes(async () => undefined, withFirst, again);
  assert.equal(seen.size, 1, [...seen].join("\n"));
  assert.equal(final.size, 1);
});

const RUN = "/store/runs/one";
const save =
  (step: number): Work =>
  (fs) =>
    saveCheckpoint(
      RUN,
      {
        step,
        meta: { loss: step },
        buffers: new Map([
          ["weights", bytes(`weights ${step}`)],
          ["state", bytes("m")],
        ]),
      },
      fs,
    );
const checkpoint = (fs: FileSystem) => checkpointState(RUN, fs);

test("a checkpoint is old or new, also while older ones are removed", async () => {
  const three: Work = async (fs) => {
    await withFirst(fs);
    for (const step of [1, 2, 3]) await save(step)(fs);
  };
  const { seen, final, now } = await outcomes(three, save(4), checkpoint);
  assert.equal(seen.size, 2, [...seen].join("\n"));
  assert.deepEqual([...final], [now]);
  assert.match(now, /step 4 .* skipped 0/);
});

test("control: without any one kind of sync the same check finds damage", async () => {
  const isSync = (operation: Operation): boolean => operation.kind === "sync";
  const isFolderSync = (operation: Operation): boolean => operation.kind === "syncFolder";
  const isInnerSync = (operation: Operation): boolean => isFolderSync(operation) && operation.path.includes("tmp-");
  for (const drop of [isSync, isFolderSync, isInnerSync]) {
    const { seen, final, now } = await outcomes(withFirst, publishSecond, state, drop);
    assert.ok(seen.size > 2 || final.size > 1 || !final.has(now), drop.toString());
  }
  for (const drop of [isSync, isFolderSync]) {
    const { final } = await outcomes(withFirst, save(1), checkpoint, drop);
    assert.ok(final.size > 1, drop.toString());
  }
});

test("the simulated disk does what the real one does", async () => {
  const root = await mkdtemp(join(tmpdir(), "lockstep-disk-"));
  try {
    const log: Operation[] = [];
    const fs = recording(nodeFileSystem, log);
    const store = await openStore(join(root, "store"), { fs, create: true });
    await store.publish(FIRST, { alias: "champion" });
    await store.publish(FIRST);
    await store.publish(SECOND, { alias: "champion" });
    await store.remove((await store.list()).find(({ aliases }) => aliases.length === 0)!.name);
    const disk = new SimulatedDisk();
    for (let at = 1; at < root.split("/").length; at++)
      disk.apply({
        kind: "make",
        path: root
          .split("/")
          .slice(0, at + 1)
          .join("/"),
      });
    for (const operation of log) disk.apply(operation);
    const real = (await readdir(root, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && !entry.name.endsWith(".lock"))
      .map((entry) => join(entry.parentPath, entry.name));
    const expected = await Promise.all(real.map(async (path) => `${path} ${(await readFile(path)).toString("hex")}`));
    assert.deepEqual(
      disk
        .dump()
        .filter((line) => !line.endsWith("/"))
        .sort(),
      expected.sort(),
    );
    assert.ok(expected.length === 5);
  } finally {
    await rm(root, { recursive: true });
  }
});
