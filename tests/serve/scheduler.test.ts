import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { LockstepError } from "../../src/base/index.ts";
import { rig, row, settle, truth, version, type FakeVersion } from "./fake.ts";
import type { EncodedRow, ServeAnswer } from "../../src/work/serve/index.ts";

const code =
  (expected: string) =>
  (error: unknown): boolean =>
    (error as { code?: string }).code === expected;
const one = (...rows: readonly EncodedRow[]) => ({ id: "r", rows: rows.length, encode: () => rows });

test("an answer has its version, its rows in order, and is that version's own", async () => {
  const { scheduler, counts } = rig();
  await assert.rejects(scheduler.submit(one(row(3))), code("NOT_FOUND"));
  await scheduler.publish(version(1));
  assert.equal(scheduler.current?.name, "v1");
  const rows = [row(3), row(9, 2), row(3, 5), row(70, 4)];
  const answer = await scheduler.submit(one(...rows));
  assert.equal(answer.version.name, "v1");
  assert.deepEqual(
    answer.outputs,
    rows.map((each) => truth(version(1), each)),
  );
  await scheduler.close();
  assert.equal(counts["answered"], 1);
  await assert.rejects(scheduler.submit(one(row(3))), code("SHUTTING_DOWN"));
  await assert.rejects(scheduler.publish(version(2)), code("SHUTTING_DOWN"));
});

test("rows that came in one turn go together, by padded length, within the limits", async () => {
  const { scheduler, replicas } = rig({ maxBatchRows: 3, maxBatchTokens: 200 });
  await scheduler.publish(version(1));
  const lengths = [5, 6, 5, 5, 5, 65, 70, 80, 66];
  await Promise.all(lengths.map((length) => scheduler.submit(one(row(length)))));
  // 65, 70, 80 and 66 are all padded to 80: two of them fit into 200 tokens
  assert.deepEqual(replicas[0]?.batches, [[5, 5, 5], [6], [5], [65, 70], [80, 66]]);
  await scheduler.close();
});

test("no length starves: the oldest row is in the next batch, whatever keeps coming", async () => {
  const { scheduler, replicas } = rig({ gated: true, maxBatchRows: 4 });
  await scheduler.publish(version(1));
  const [replica] = replicas as [(typeof replicas)[0] & object];
  const flood = () => Array.from({ length: 8 }, () => scheduler.submit(one(row(5))));
  const all: Promise<unknown>[] = [...flood()];
  await settle();
  all.push(scheduler.submit(one(row(9))));
  for (let round = 0; round < 6; round++) {
    all.push(...flood());
    replica.release();
    await settle();
  }
  const at = replica.batches.findIndex((batch) => batch[0] === 9);
  assert.ok(at >= 0 && at <= 2, `the lone row ran in batch ${at}`);
  replica.open();
  await Promise.all(all);
  await scheduler.close();
});

test("maxWaitMs: a batch waits for mates, no longer, and not when it is full", async () => {
  const { scheduler, replicas, clock } = rig({ maxWaitMs: 10, maxBatchRows: 2 });
  await scheduler.publish(version(1));
  const first = scheduler.submit(one(row(5)));
  await settle();
  clock.advance(9);
  await settle();
  assert.deepEqual(replicas[0]?.batches, []);
  clock.advance(1);
  await first;
  await Promise.all([scheduler.submit(one(row(5))), scheduler.submit(one(row(5)))]);
  assert.deepEqual(replicas[0]?.batches, [[5], [5, 5]]);
  await scheduler.close();
});

test("batches go to the least loaded replica", async () => {
  const { scheduler, replicas } = rig({ replicas: 3, gated: true, maxBatchRows: 1 });
  await scheduler.publish(version(1));
  const all = [5, 5, 5, 5].map((length) => scheduler.submit(one(row(length))));
  await settle();
  assert.deepEqual(
    replicas.map((replica) => replica.batches.length),
    [1, 1, 1],
  );
  replicas[2]?.release();
  await settle();
  assert.deepEqual(
    replicas.map((replica) => replica.batches.length),
    [1, 1, 2],
  );
  for (const replica of replicas) replica.open();
  await Promise.all(all);
  await scheduler.close();
});

test("a full queue refuses with a time to come back; a request that could never fit is another error", async () => {
  const { scheduler, replicas, counts } = rig({ gated: true, maxQueue: 3, maxBatchRows: 1 });
  await scheduler.publish(version(1));
  const running = scheduler.submit(one(row(5)));
  await settle();
  const waiting = scheduler.submit(one(row(5), row(5)));
  assert.equal(scheduler.waiting, 2);
  await assert.rejects(
    scheduler.submit(one(row(5), row(5))),
    (error: unknown) => code("OVERLOADED")(error) && Number((error as LockstepError).details["retryAfterSeconds"]) >= 1,
  );
  await assert.rejects(scheduler.submit(one(row(1), row(1), row(1), row(1))), code("INPUT_TOO_LARGE"));
  await assert.rejects(scheduler.submit({ id: "none", rows: 0, encode: () => [] }), code("INPUT_INVALID"));
  assert.equal(counts["refused"], 1);
  replicas[0]?.open();
  await Promise.all([running, waiting]);
  assert.equal(scheduler.waiting, 0);
  await scheduler.close();
});

test("a deadline and a signal take a request out of the queue; its mates go on", async () => {
  const { scheduler, replicas, clock } = rig({ gated: true, maxBatchRows: 1, timeoutMs: 1000 });
  await scheduler.publish(version(1));
  const running = scheduler.submit(one(row(5)));
  await settle();
  const controller = new AbortController();
  const cancelled = scheduler.submit({ ...one(row(6), row(7)), signal: controller.signal });
  const late = scheduler.submit({ ...one(row(8)), timeoutMs: 50 });
  const last = scheduler.submit(one(row(9)));
  await settle();
  controller.abort();
  await assert.rejects(cancelled, code("CANCELLED"));
  clock.advance(50);
  await assert.rejects(late, code("TIMEOUT"));
  assert.equal(scheduler.waiting, 1);
  replicas[0]?.open();
  await Promise.all([running, last]);
  assert.deepEqual(replicas[0]?.batches, [[5], [9]]);
  await assert.rejects(scheduler.submit({ ...one(row(1)), signal: AbortSignal.abort() }), code("CANCELLED"));
  await scheduler.close();
});

test("a run is ended once nobody waits for any of its rows, and not before", async () => {
  const { scheduler, replicas, clock, counts } = rig({ gated: true, timeoutMs: 1000 });
  await scheduler.publish(version(1));
  const [replica] = replicas as [(typeof replicas)[0] & object];
  const leaving = new AbortController();
  const first = scheduler.submit({ ...one(row(5)), signal: leaving.signal });
  const second = scheduler.submit({ ...one(row(5), row(5)), timeoutMs: 300 });
  const third = scheduler.submit({ ...one(row(5)), timeoutMs: 600 });
  const refused = Promise.all([
    assert.rejects(first, code("CANCELLED")),
    assert.rejects(second, code("TIMEOUT")),
    assert.rejects(third, code("TIMEOUT")),
  ]);
  await settle();
  assert.deepEqual(replica.batches, [[5, 5, 5, 5]]);
  leaving.abort();
  await settle();
  clock.advance(300);
  await settle();
  assert.equal(replica.ended, 0, "somebody still waits");
  clock.advance(300);
  await settle();
  assert.equal(replica.ended, 1);
  await refused;
  // the replica is free, and in service
  replica.open();
  await scheduler.submit(one(row(6)));
  assert.equal(counts["replicas_retired"] ?? 0, 0);
  assert.equal(counts["rows_retried"] ?? 0, 0);
  await scheduler.close();
});

test("what `encode` throws, and rows that are not what was admitted, fail that request only", async () => {
  const { scheduler } = rig();
  await scheduler.publish(version(1));
  await assert.rejects(
    scheduler.submit({
      id: "a",
      encode: () => {
        throw new LockstepError("INPUT_TOO_LARGE", "too long");
      },
    }),
    code("INPUT_TOO_LARGE"),
  );
  await assert.rejects(scheduler.submit({ id: "b", rows: 2, encode: async () => [row(1)] }), code("INTERNAL"));
  await assert.rejects(scheduler.submit({ id: "c", encode: () => [row(0)] }), code("INPUT_INVALID"));
  assert.equal(scheduler.waiting, 0);
  await scheduler.close();
});

test("a version stays loaded until its last request is answered, also one being encoded; then released", async () => {
  const { scheduler, replicas } = rig({ gated: true });
  await scheduler.publish(version(1));
  const encoded = Promise.withResolvers<readonly EncodedRow[]>();
  const encoding = scheduler.submit({ id: "slow", encode: () => encoded.promise });
  const running = scheduler.submit(one(row(4)));
  await settle();
  await scheduler.publish(version(2));
  const after = scheduler.submit(one(row(4)));
  await settle();
  replicas[1]?.open();
  assert.equal((await after).version.name, "v2");
  assert.deepEqual(
    scheduler.loaded.map(({ name }) => name),
    ["v1", "v2"],
  );
  replicas[0]?.open();
  assert.equal((await running).version.name, "v1");
  await settle();
  assert.equal(replicas[0]?.closed, false);
  encoded.resolve([row(6)]);
  assert.equal((await encoding).version.name, "v1");
  await settle();
  assert.equal(replicas[0]?.closed, true);
  assert.deepEqual(
    scheduler.loaded.map(({ name }) => name),
    ["v2"],
  );
  await scheduler.close();
  assert.equal(replicas[1]?.closed, true);
});

test("a version that cannot be opened changes nothing, and leaves nothing behind", async () => {
  const { scheduler, replicas } = rig({
    replicas: 2,
    onOpen: (replica, nth) => {
      if (replica.version.salt === 2 && nth % 2 === 1) throw new LockstepError("WEIGHTS_INVALID", "bad file");
    },
  });
  await scheduler.publish(version(1));
  await assert.rejects(scheduler.publish(version(2)), code("WEIGHTS_INVALID"));
  assert.equal(replicas[2]?.closed, true);
  assert.equal((await scheduler.submit(one(row(3)))).version.name, "v1");
  await scheduler.publish(version(3));
  assert.equal(scheduler.current?.name, "v3");
  await scheduler.close();
});

test("closing during a publish refuses the version and releases its replicas; open requests are answered", async () => {
  const gate = Promise.withResolvers<void>();
  const { scheduler, replicas } = rig({
    onOpen: async ({ version: { salt } }) => {
      if (salt === 2) await gate.promise;
    },
  });
  await scheduler.publish(version(1));
  const publishing = scheduler.publish(version(2));
  const answered = scheduler.submit(one(row(3)));
  await turn();
  const closing = scheduler.close();
  gate.resolve();
  await assert.rejects(publishing, code("SHUTTING_DOWN"));
  assert.equal((await answered).version.name, "v1");
  await closing;
  assert.deepEqual(
    replicas.map((replica) => replica.closed),
    [true, true],
  );
});

test(
  "property: under random load, publishes and cancellations every answer is its pinned version's own, and " +
    "nothing is lost",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            {
              weight: 8,
              arbitrary: fc.record({
                what: fc.constant("ask" as const),
                lengths: fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 5 }),
                async: fc.boolean(),
                cancel: fc.integer({ min: 0, max: 9 }),
              }),
            },
            { weight: 1, arbitrary: fc.constant({ what: "publish" as const }) },
            { weight: 3, arbitrary: fc.constant({ what: "turn" as const }) },
          ),
          { minLength: 1, maxLength: 60 },
        ),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom(0, 0.5, 1),
        async (script, replicaCount, maxBatchRows, verifySample) => {
          const { scheduler, replicas, counts } = rig({ replicas: replicaCount, maxBatchRows, verifySample });
          await scheduler.publish(version(0));
          const asked: Promise<void>[] = [];
          let publishes = Promise.resolve();
          let answers = 0,
            cancels = 0,
            salt = 0;
          for (const [step, action] of script.entries()) {
            if (action.what === "turn") await turn();
            else if (action.what === "publish") {
              const next = version(++salt);
              publishes = publishes.then(() => scheduler.publish(next));
            } else {
              const rows = action.lengths.map((length, i) => row(length, step + i));
              const pinned = scheduler.current as FakeVersion;
              const controller = new AbortController();
              const answer: Promise<ServeAnswer<FakeVersion>> = scheduler.submit({
                id: `request ${step}`,
                rows: rows.length,
                signal: controller.signal,
                encode: (given) => {
                  assert.equal(given, pinned);
                  return action.async ? turn(rows) : rows;
                },
              });
              asked.push(
                answer.then(
                  (got) => {
                    answers++;
                    assert.equal(got.version, pinned);
                    assert.deepEqual(
                      got.outputs,
                      rows.map((each) => truth(pinned, each)),
                    );
                    if (verifySample === 1) assert.equal(got.verified, rows.length);
                  },
                  (error: unknown) => {
                    cancels++;
                    assert.ok(code("CANCELLED")(error), String(error));
                  },
                ),
              );
              if (action.cancel === 0) setImmediate(() => controller.abort());
            }
          }
          await Promise.all([...asked, publishes]);
          assert.equal(answers + cancels, asked.length);
          assert.equal(scheduler.waiting, 0);
          await scheduler.close();
          assert.ok(
            replicas.every((replica) => replica.closed),
            "every replica is released",
          );
          assert.equal(replicas.length, replicaCount * (salt + 1));
          assert.equal(counts["mismatched"], undefined);
        },
      ),
      { numRuns: 150 },
    );
  },
);
