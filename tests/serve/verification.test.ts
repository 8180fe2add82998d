import assert from "node:assert/strict";
import { test } from "node:test";
import { LockstepError } from "../../src/base/index.ts";
import type { EncodedRow, MismatchReport, RetiredReport } from "../../src/work/serve/index.ts";
import { isSampled } from "../../src/work/serve/verification.ts";
import { rig, row, settle, truth, version, type FakeReplica } from "./fake.ts";

const code =
  (expected: string) =>
  (error: unknown): boolean =>
    (error as { code?: string }).code === expected;
const ask = (id: string, ...rows: readonly EncodedRow[]) => ({ id, rows: rows.length, encode: () => rows });
const nudge = (logits: Float32Array): Float32Array => logits.map((value, i) => (i === 0 ? value + 1e-6 : value));
const diedWhen = (when: (rows: readonly EncodedRow[]) => boolean) => (rows: readonly EncodedRow[]) =>
  when(rows) ? new LockstepError("WORKER_DIED", "gone") : null;

test("the sample is a function of the request's id, and of the stated share", () => {
  const chosen = Array.from({ length: 4000 }, (_, i) => isSampled("key", `id ${i}`, 0, 0.25));
  assert.deepEqual(
    chosen,
    Array.from({ length: 4000 }, (_, i) => isSampled("key", `id ${i}`, 0, 0.25)),
  );
  const share = chosen.filter(Boolean).length / 4000;
  assert.ok(share > 0.22 && share < 0.28, `${share}`);
  const others = Array.from({ length: 4000 }, (_, i) => isSampled("other", `id ${i}`, 0, 0.25));
  const both = chosen.filter((is, i) => is && others[i]).length;
  assert.ok(both > 150 && both < 350, `${both} of 4000 under both keys: who knows the ids alone knows nothing`);
  assert.equal(isSampled("key", "x", 0, 1), true);
  assert.equal(isSampled("key", "x", 0, 0), false);
});

test("an answer that is not finite is not given; its batch mates get theirs", async () => {
  const { scheduler, replicas } = rig();
  await scheduler.publish(version(1));
  (replicas[0] as FakeReplica).corrupt = (logits) =>
    logits[2] === truth(version(1), row(4, 9))[2] ? logits.map(() => NaN) : logits;
  const [bad, good] = await Promise.allSettled([
    scheduler.submit(ask("bad", row(4, 9))),
    scheduler.submit(ask("good", row(4))),
  ]);
  assert.ok(bad.status === "rejected" && code("NON_FINITE")(bad.reason));
  assert.ok(good.status === "fulfilled");
  await scheduler.close();
});

test("a replica that computes other bits is outvoted, retired and replaced; every answer is right", async () => {
  const mismatches: MismatchReport[] = [],
    retired: RetiredReport[] = [];
  for (const bad of [0, 1]) {
    const { scheduler, replicas, counts } = rig({
      replicas: 2,
      verifySample: 1,
      onOpen: (replica, nth) => {
        if (nth === bad) replica.corrupt = nudge;
      },
      hooks: { onMismatch: (report) => mismatches.push(report), onReplicaRetired: (report) => retired.push(report) },
    });
    await scheduler.publish(version(1));
    const answer = await scheduler.submit(ask("x", row(4)));
    assert.deepEqual(answer.outputs, [truth(version(1), row(4))]);
    await settle();
    assert.deepEqual(
      replicas.map((replica) => replica.closed),
      [bad === 0, bad === 1, false],
    );
    for (let i = 0; i < 10; i++)
      assert.deepEqual((await scheduler.submit(ask(`${i}`, row(i + 1)))).outputs, [truth(version(1), row(i + 1))]);
    assert.equal(mismatches.at(-1)?.odd, bad);
    assert.deepEqual(retired.at(-1), { version: "v1", replica: bad, reason: "mismatch" });
    assert.equal(replicas.length, 3);
    assert.equal(counts["verified"], 11);
    await scheduler.close();
  }
});

test("a lone replica whose row depends on its mates is caught by the second computation", async () => {
  const { scheduler, replicas, counts } = rig({ verifySample: 1 });
  await scheduler.publish(version(1));
  (replicas[0] as FakeReplica).corrupt = (logits, batch) => (batch.length > 1 ? nudge(logits) : logits);
  const answers = await Promise.all([scheduler.submit(ask("a", row(4))), scheduler.submit(ask("b", row(4, 2)))]);
  assert.deepEqual(
    answers.map((answer) => answer.outputs[0]),
    [truth(version(1), row(4)), truth(version(1), row(4, 2))],
  );
  await settle();
  assert.equal(replicas[0]?.closed, true);
  assert.equal(counts["replicas_retired"], 1);
  await scheduler.close();
  assert.ok(replicas.every((replica) => replica.closed));
});

test("three different answers are none", async () => {
  let opened = 0;
  const { scheduler, replicas } = rig({
    replicas: 2,
    verifySample: 1,
    onOpen: (replica) => {
      const by = ++opened;
      replica.corrupt = (logits) => logits.map((value) => value + by);
    },
  });
  await scheduler.publish(version(1));
  await assert.rejects(scheduler.submit(ask("x", row(4))), code("NUMERICS_UNTRUSTED"));
  await scheduler.close();
  assert.ok(replicas.every((replica) => replica.closed));
});

test("a dying replica loses no row: they run again, alone, on what is left; another replica is opened", async () => {
  const { scheduler, replicas, counts } = rig({
    replicas: 2,
    onOpen: (replica, nth) => {
      if (nth === 0) replica.error = diedWhen(() => true);
    },
  });
  await scheduler.publish(version(1));
  const answers = await Promise.all(Array.from({ length: 6 }, (_, i) => scheduler.submit(ask(`${i}`, row(4, i)))));
  assert.deepEqual(
    answers.map((answer) => answer.outputs[0]),
    Array.from({ length: 6 }, (_, i) => truth(version(1), row(4, i))),
  );
  await settle();
  assert.equal(replicas.length, 3);
  assert.equal(replicas[0]?.closed, true);
  assert.equal(counts["rows_retried"], 6);
  await scheduler.close();
});

/** Asks for three rows at once; the reason why the one of 13s was refused. */
async function onlyThirteenFails(scheduler: ReturnType<typeof rig>["scheduler"]): Promise<unknown> {
  const results = await Promise.allSettled([1, 13, 2].map((value) => scheduler.submit(ask(`${value}`, row(4, value)))));
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  return results[1]?.status === "rejected" ? results[1].reason : undefined;
}

test("a row that kills every replica fails alone, after two tries", async () => {
  const { scheduler, replicas } = rig({
    onOpen: (replica) => {
      replica.error = diedWhen((rows) => rows.some(({ ids }) => ids[0] === 13));
    },
  });
  await scheduler.publish(version(1));
  const refused = await onlyThirteenFails(scheduler);
  code("WORKER_DIED")(refused);
  assert.equal(replicas.length, 3);
  await scheduler.close();
});

test("a failing batch is split, so that one row's failure is its own", async () => {
  const { scheduler, counts } = rig({
    onOpen: (replica) => {
      replica.error = (rows) =>
        rows.some(({ ids }) => ids[0] === 13) ? new LockstepError("RUNTIME_FAILED", "no") : null;
    },
  });
  await scheduler.publish(version(1));
  code("RUNTIME_FAILED")(await onlyThirteenFails(scheduler));
  assert.equal(counts["replicas_retired"], undefined);
  await assert.rejects(scheduler.submit(ask("alone", row(4, 13))), code("RUNTIME_FAILED"));
  await scheduler.close();
});

test("when no replica can be opened the rows fail, and the next request tries again", async () => {
  let broken = false;
  const { scheduler, replicas, errors } = rig({
    onOpen: () => {
      if (broken) throw new LockstepError("RUNTIME_FAILED", "no memory");
    },
  });
  await scheduler.publish(version(1));
  broken = true;
  (replicas[0] as FakeReplica).error = diedWhen(() => true);
  await assert.rejects(scheduler.submit(ask("a", row(4))), code("RUNTIME_FAILED"));
  assert.equal(errors.length, 1);
  broken = false;
  assert.deepEqual((await scheduler.submit(ask("b", row(4)))).outputs, [truth(version(1), row(4))]);
  await scheduler.close();
});

test("capacity that was lost comes back: after a pause, when it is asked something", async () => {
  let broken = false;
  const { scheduler, replicas, errors, clock } = rig({
    replicas: 2,
    onOpen: () => {
      if (broken) throw new LockstepError("RUNTIME_FAILED", "no memory");
    },
  });
  await scheduler.publish(version(1));
  broken = true;
  (replicas[0] as FakeReplica).error = diedWhen(() => true);
  await scheduler.submit(ask("a", row(4)));
  await settle();
  assert.equal(errors.length, 1, "the one that died could not be replaced");
  await scheduler.submit(ask("b", row(4)));
  await settle();
  assert.equal(errors.length, 1, "not tried again so soon");
  broken = false;
  clock.advance(1_000);
  await scheduler.submit(ask("c", row(4)));
  await settle();
  assert.equal(replicas.length, 4, "two, one that could not be opened, and one in its place");
  await scheduler.close();
  assert.equal(replicas.at(-1)!.closed, true, "it was in service");
});

test("a replica that dies while it verifies is replaced, and the answer waits for another", async () => {
  const { scheduler, replicas } = rig({
    replicas: 2,
    verifySample: 1,
    onOpen: (replica, nth) => {
      if (nth === 1) replica.error = diedWhen(() => true);
    },
  });
  await scheduler.publish(version(1));
  const answer = await scheduler.submit(ask("x", row(4)));
  assert.equal(answer.verified, 1);
  await settle();
  assert.equal(replicas[1]?.closed, true);
  await scheduler.close();
});

test("rows that wait while the replicas verify are run when that is done", async () => {
  const { scheduler, replicas } = rig({ replicas: 2, verifySample: 1, gated: true, maxBatchRows: 1 });
  await scheduler.publish(version(1));
  const [a, b] = replicas as [FakeReplica, FakeReplica];
  const first = [scheduler.submit(ask("a", row(4))), scheduler.submit(ask("b", row(5)))];
  await settle();
  a.release();
  b.release();
  await settle(); // each now verifies the other's row
  const last = scheduler.submit(ask("c", row(6)));
  await settle();
  assert.deepEqual([a.batches.length, b.batches.length], [2, 2]);
  a.open();
  b.open();
  await Promise.all([...first, last]);
  await scheduler.close();
});
