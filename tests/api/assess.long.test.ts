/**
 * What a training says of itself before and after its work: settings refused at once, and figures that mean little.
 * @concurrent
 */
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { LockstepError } from "../../src/base/index.ts";
import { train, type TrainInput, type TrainProgress } from "../../src/edge/api/index.ts";
import { trainOn } from "../../src/edge/api/train.ts";
import { nodeFileSystem, openStore, withSteps } from "../../src/work/store/index.ts";
import { tinyStore, TINY } from "../stress/tiny-store.ts";

async function trained(input: TrainInput, out: string) {
  const warnings: string[] = [];
  const onProgress = (event: TrainProgress): void => {
    if (event.kind === "warning") warnings.push(event.message);
  };
  return { ...(await train(input, { out, threads: 1, onProgress })), warnings };
}

test("no fine-tuning is refused before any file is read", async () => {
  const input = { ...TINY, data: "nowhere.csv", finetune: { ...TINY.finetune, epochs: 0 } };
  await assert.rejects(train(input), { code: "OPTION_INVALID", message: /phases\.1\.epochs is 0/ });
});

test("few texts held out: no temperature, a warning; none at all: a warning that says what to give", async () => {
  await using tiny = await tinyStore([]);
  const few = await trained({ ...TINY, target_accuracy: 0.9 }, tiny.store);
  assert.match(few.warnings.join("\n"), /not calibrated: \d texts were held out, and 50 are needed; target_accuracy/);
  const version = await (await openStore(tiny.store)).open(few.version);
  const own = JSON.parse(new TextDecoder().decode(version.files.get("lockstep.json"))) as { calibration: unknown };
  assert.deepEqual(own.calibration, { temperature: 1, threshold: 0 });
  const none = await trained({ ...TINY, validation_fraction: 0 }, tiny.store);
  assert.match(none.warnings.join("\n"), /nothing was held out/);
  assert.equal(none.metrics.validation, undefined);
});

test("a target that is reached at no confidence is said; left open, enough texts are held out", async () => {
  await using tiny = await tinyStore([]);
  const data = join(tiny.folder, "noise.csv");
  const rows = Array.from(
    { length: 320 },
    (_, i) => `word${i % 61} thing${i % 53} ${i},${"abc"[(i * i + (i >> 2)) % 3]}`,
  );
  await writeFile(data, `text,label\n${rows.join("\n")}\n`);
  const input = { ...TINY, data, validation_fraction: null, target_accuracy: 1 };
  const { warnings, metrics, recipe } = await trained(input, tiny.store);
  assert.equal(recipe.validation_fraction, 0.188); // 60 of 320
  assert.ok((metrics.validation?.accuracy?.total ?? 0) >= 50);
  assert.match(warnings.join("\n"), /target_accuracy 1 was not reached on the validation split at any confidence/);
});

test("a checkpoint that cannot be written stops nothing: it is said, and the version is published", async () => {
  await using tiny = await tinyStore([]);
  const full = withSteps(nodeFileSystem, tiny.store, (step) => {
    if (step.startsWith("create runs/")) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
  });
  const events: TrainProgress[] = [];
  const controller = new AbortController();
  const options = { out: tiny.store, threads: 1, onProgress: (event: TrainProgress) => events.push(event) };
  const { version } = await trainOn({ fs: full, checkpointSeconds: 0 }, TINY, options);
  assert.equal((await (await openStore(tiny.store)).resolve("champion")).name, version);
  const said = events.flatMap((event) => (event.kind === "warning" ? [event.message] : []));
  assert.match(said.join("\n"), /no checkpoint was written at step \d+ of 1\/1 classify.*disk is full/);
  assert.ok(!events.some(({ kind }) => kind === "checkpoint"));

  const stopping = (event: TrainProgress): void => {
    if (event.kind === "step") controller.abort();
  };
  await assert.rejects(
    trainOn({ fs: full }, { ...TINY, seed: 2 }, { ...options, signal: controller.signal, onProgress: stopping }),
    { code: "CANCELLED", message: /could not be saved: .*disk is full/ },
  );
});

test("interrupted after the last step: it is said to be saved, and --resume trains no step again", async () => {
  await using tiny = await tinyStore([]);
  const controller = new AbortController();
  const options = { out: tiny.store, threads: 1, signal: controller.signal };
  const onProgress = (event: TrainProgress): void => {
    if (event.kind === "stage" && event.stage === "calibrate") controller.abort();
  };
  await assert.rejects(train(TINY, { ...options, onProgress }), {
    code: "CANCELLED",
    message: /after its last step, which is saved/,
  });
  let steps = 0;
  const resumed = await train(TINY, {
    out: tiny.store,
    threads: 1,
    resume: true,
    onProgress: (event) => {
      if (event.kind === "step") steps++;
    },
  });
  assert.equal(steps, 0);
  await rm(tiny.store, { recursive: true });
  assert.equal((await train(TINY, { out: tiny.store, threads: 1 })).version, resumed.version);
});

test("one recipe is trained into a store by one training at a time", async () => {
  await using tiny = await tinyStore([]);
  const held = new Set<string>();
  /** As the real one, without the ten seconds that it waits. */
  const lock = async (path: string): Promise<AsyncDisposable> => {
    if (held.has(path)) throw new LockstepError("TIMEOUT", `${path} is locked`);
    held.add(path);
    return { [Symbol.asyncDispose]: async () => void held.delete(path) };
  };
  const store = await openStore(tiny.store, { create: true, fs: { ...nodeFileSystem, lock } });
  await using run = await store.openRun("one");
  assert.ok(run.folder.endsWith("one"));
  await assert.rejects(store.openRun("one"), {
    code: "CONFLICT",
    message: /another process is training this very recipe/,
  });
  await using other = await store.openRun("two");
  await other.remove();
});
