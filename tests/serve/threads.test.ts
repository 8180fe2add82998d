/** The scheduler with real replicas: worker threads, packed programs, both executors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LockstepError } from "../../src/base/index.ts";
import {
  createScheduler,
  openThreadReplica,
  type EncodedRow,
  type ServeAnswer,
  type ThreadReplica,
} from "../../src/work/serve/index.ts";
import { tinyFiles } from "./tiny-version.ts";

interface Version {
  readonly name: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
}
const made = (seed: number): Version => ({ name: `seed ${seed}`, files: tinyFiles(seed) });
const row = (length: number, from: number): EncodedRow => ({
  ids: Int32Array.from({ length }, (_, t) => (from * 31 + t * 7) % 60),
});
const hex = (logits: Float32Array): string =>
  Buffer.from(logits.buffer, logits.byteOffset, logits.byteLength).toString("hex");

test("publishing under load: every answer is bit-equal to its version's own answer computed alone", async (t) => {
  const versions = [made(1), made(2)];
  const alone = new Map<string, ThreadReplica>();
  for (const { name, files } of versions) alone.set(name, await openThreadReplica({ files, executor: "native" }));
  t.after(() => Promise.all([...alone.values()].map((replica) => replica.close())));
  const mismatches: unknown[] = [];
  await using scheduler = createScheduler<Version>({
    openReplica: ({ files }) => openThreadReplica({ files, executor: "native", predictor: { selfCheck: false } }),
    replicas: 2,
    verifySample: 0.3,
    maxBatchRows: 8,
    hooks: { onMismatch: (report) => mismatches.push(report), onError: (error) => mismatches.push(error) },
  });
  await scheduler.publish(versions[0] as Version);
  const rows: EncodedRow[] = [];
  const answers: Promise<ServeAnswer<Version>>[] = [];
  const ask = (): void => {
    const each = row(2 + (rows.length % 4) * 9, rows.length);
    answers.push(scheduler.submit({ id: `request ${rows.length}`, encode: () => [each] }));
    rows.push(each);
  };
  const load = setInterval(ask, 10);
  await scheduler.publish(versions[1] as Version);
  clearInterval(load);
  for (let i = 0; i < 20; i++) ask();
  const seen = new Map<string, number>();
  for (const [i, answer] of (await Promise.all(answers)).entries()) {
    const [own] = await alone.get(answer.version.name)!.run([rows[i] as EncodedRow]);
    assert.equal(
      hex(answer.outputs[0] as Float32Array),
      hex(own as Float32Array),
      `request ${i} of ${answer.version.name}`,
    );
    seen.set(answer.version.name, (seen.get(answer.version.name) ?? 0) + 1);
  }
  assert.ok(seen.get("seed 1")! > 0 && seen.get("seed 2")! >= 20, JSON.stringify([...seen]));
  assert.deepEqual(mismatches, []);
});

test("the portable profile serves the same version", async () => {
  const { files } = made(1);
  const [native, portable] = await Promise.all(
    (["native", "portable"] as const).map((executor) => openThreadReplica({ files, executor })),
  );
  assert.deepEqual(
    [native?.profile.executor, portable?.profile.executor, portable?.profile.form],
    ["native", "portable", "packed"],
  );
  const rows = [row(5, 1), row(5, 2), row(5, 3)];
  const [left, right] = [await native!.run(rows), await portable!.run(rows)];
  assert.deepEqual(
    left.map(({ length }) => length),
    [3, 3, 3],
  );
  left.forEach((logits, i) => logits.forEach((value, c) => assert.ok(Math.abs(value - right[i]![c]!) < 1e-4)));
  await Promise.all([native!.close(), portable!.close()]);
});

test("a version that does not load is refused with its own error", async () => {
  const files = new Map(tinyFiles(1));
  files.set("model.safetensors", new Uint8Array(12));
  await assert.rejects(
    openThreadReplica({ files, executor: "native" }),
    (error: unknown) => error instanceof LockstepError && error.code === "WEIGHTS_INVALID",
  );
});

test("threads inside an operator change no bit, and the profile stays the same", async (t) => {
  const { files } = made(3);
  const rows = [row(33, 1), row(90, 2), row(7, 3)];
  const [one, two] = await Promise.all(
    [1, 2].map((intraOpThreads) => openThreadReplica({ files, executor: "native", intraOpThreads })),
  );
  t.after(() => Promise.all([one!.close(), two!.close()]));
  const logits = async (replica: ThreadReplica) => (await replica.run(rows)).map(hex);
  assert.deepEqual(await logits(two!), await logits(one!));
  assert.deepEqual(two!.profile, one!.profile);
});
