/** The writing thread dies, whenever it likes: another takes its place, if the log is still the one that it was. */
import assert from "node:assert/strict";
import { cpSync, existsSync, rmSync } from "node:fs";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { isLockstepError, LockstepError, ManualClock, systemClock, type ErrorCode } from "../../src/base/index.ts";
import { AuditLog, openAuditLog, verifyLog } from "../../src/work/audit/index.ts";
import type { Known, WriterCall, WriterResults } from "../../src/work/audit/messages.ts";
import { GENESIS, type Receipt } from "../../src/work/audit/receipt.ts";
import { WriterKeeper, type Writer } from "../../src/work/audit/writer-keeper.ts";
import { WriterThread } from "../../src/work/audit/writer-thread.ts";
import { fixture, input, write, type Fixture } from "./support/inputs.ts";

const coded =
  (code: ErrorCode, message: RegExp) =>
  (error: unknown): boolean =>
    isLockstepError(error) && error.code === code && message.test(error.message);

/** A log whose threads can be ended from here. `before` runs before a thread is started in another's place. */
async function mortal({ log, key }: Fixture, before: () => void = () => undefined) {
  const threads: WriterThread[] = [];
  const { keeper, status } = await WriterKeeper.open(
    log,
    (known) => {
      if (threads.length > 0) before();
      const thread = new WriterThread({ path: log, keyPath: key, signEvery: 3, keptHeads: undefined, known });
      threads.push(thread);
      return thread;
    },
    systemClock,
  );
  return { threads, open: new AuditLog(log, keeper, status, 10_000, systemClock) };
}

test("threads that end between and within groups are replaced; what was confirmed is there", async (t) => {
  const files = await fixture(t);
  const { threads, open } = await mortal(files);
  const confirmed: string[] = [];
  let [sent, refused] = [0, 0];
  const append = async (): Promise<void> => {
    try {
      confirmed.push((await open.append(input(sent++))).hash);
    } catch (error) {
      assert.ok(coded("WORKER_DIED", /try again in a moment/)(error) && (error as LockstepError).retryable);
      refused++;
    }
  };
  for (let death = 0; death < 6; death++) {
    for (const before = confirmed.length; confirmed.length < before + 4; await turn()) await append();
    const last = Promise.all([append(), append()]); // one group is being written, the next waits
    for (let wait = 0; wait < death; wait++) await turn();
    await threads.at(-1)!.stop();
    await last;
  }
  for (const before = confirmed.length; confirmed.length === before; await turn()) await append();
  assert.equal(threads.length, 7);
  await open.close();
  assert.ok(refused >= 6);
  const report = await verifyLog(files.log, { minCount: confirmed.length, expectedHead: confirmed.at(-1)! });
  assert.ok(report.ok, report.problem?.message);
  assert.equal(report.signed, report.count);
  await using again = await openAuditLog(files.log, { keyPath: files.key });
  const hashes = new Set((await again.list({ limit: 100_000 })).map(({ hash }) => hash));
  assert.deepEqual(
    confirmed.filter((hash) => !hashes.has(hash)),
    [],
  );
});

test("a log that lost something while nobody wrote is refused for good, and nothing is added or made", async (t) => {
  for (const how of ["older", "removed"] as const) {
    const files = await fixture(t);
    const older = `${files.log}.older`;
    write(files.log, 3, { keyPath: files.key });
    cpSync(files.log, older);
    const remove = (): void => {
      for (const end of ["", "-wal", "-shm"]) rmSync(`${files.log}${end}`, { force: true });
    };
    const { threads, open } = await mortal(files, () => {
      remove();
      if (how === "older") cpSync(older, files.log);
    });
    await open.append(input(3));
    await threads[0]!.stop();
    const refused = coded("LOG_CORRUPT", how === "older" ? /at least 4 were written/ : /its file was removed/);
    for (;;) {
      const error: unknown = await open.append(input(4)).catch((thrown: unknown) => thrown);
      if (refused(error)) break;
      assert.ok(coded("WORKER_DIED", /being opened and verified again/)(error), String(error));
      await turn();
    }
    await assert.rejects(open.check(), refused);
    assert.equal(threads.length, 2, "no third try");
    await assert.rejects(open.close(), refused);
    if (how === "removed") assert.ok(!existsSync(files.log));
    else assert.equal((await verifyLog(files.log)).count, 3);
  }
});

test("a log whose writer died is closed as any other", async (t) => {
  const files = await fixture(t);
  const { threads, open } = await mortal(files);
  await open.append(input(0));
  await threads[0]!.stop();
  await open.close();
  assert.ok(!existsSync(`${files.log}-wal`), "one plain file");
  await assert.rejects(open.append(input(1)), coded("SHUTTING_DOWN", /closed/));
  assert.deepEqual([(await verifyLog(files.log)).count, threads.length], [1, 2]);
});

class FakeWriter implements Writer {
  readonly ended: Promise<void>;
  readonly die: () => void;
  readonly #failure: ErrorCode | undefined;

  constructor(failure: ErrorCode | undefined) {
    ({ promise: this.ended, resolve: this.die } = Promise.withResolvers<void>());
    this.#failure = failure;
  }
  call<C extends WriterCall>({ kind }: C): Promise<WriterResults[C["kind"]]> {
    if (this.#failure !== undefined) return Promise.reject(new LockstepError(this.#failure, "as the test wants it"));
    const results = {
      status: { count: 0, head: GENESIS, publicKey: undefined, notices: [] },
      append: [{ index: 6, hash: "f".repeat(64) } as Receipt],
    };
    return Promise.resolve(results[kind as keyof typeof results] as unknown as WriterResults[C["kind"]]);
  }
  stop(): Promise<void> {
    this.die();
    return Promise.resolve();
  }
}

test("a try at once, later ones after pauses that double until something is written", async () => {
  const clock = new ManualClock();
  const writers: FakeWriter[] = [];
  const known: (Known | undefined)[] = [];
  let failure: ErrorCode | undefined;
  const { keeper } = await WriterKeeper.open(
    "the log",
    (what) => {
      known.push(what);
      const writer = new FakeWriter(failure);
      writers.push(writer);
      return writer;
    },
    clock,
  );
  const ask = async (): Promise<unknown> =>
    await keeper.call({ kind: "append", inputs: [] }).then(
      () => "written",
      (error: unknown) => error,
    );
  assert.equal(await ask(), "written");
  failure = "DISK_FAILED";
  writers[0]!.die();
  await turn();
  assert.equal(writers.length, 2, "a try without being asked");
  for (const [pauseMs, seconds] of [
    [1000, 1],
    [2000, 2],
    [4000, 4],
    [8000, 8],
    [16_000, 16],
    [30_000, 30],
    [30_000, 30],
  ] as const) {
    const tries: number = writers.length;
    const error = await ask();
    assert.ok(coded("WORKER_DIED", /could not be replaced yet \(as the test wants it\)/)(error), String(error));
    assert.equal((error as LockstepError).details["retryAfterSeconds"], seconds);
    clock.advance(pauseMs - 1);
    await ask();
    assert.equal(writers.length, tries, "not before the pause is over");
    clock.advance(1);
    assert.ok(coded("WORKER_DIED", /opened and verified again/)(await ask()));
    await ask();
    await turn();
    assert.equal(writers.length, tries + 1, "one try at a time");
  }
  failure = undefined;
  clock.advance(30_000);
  await ask();
  await turn();
  assert.equal(await ask(), "written");
  assert.deepEqual(known[0], undefined);
  for (const one of known.slice(1)) assert.deepEqual(one, { count: 7, head: "f".repeat(64) });
  const tries = writers.length;
  writers.at(-1)!.die();
  await turn();
  assert.equal(writers.length, tries + 1, "at once again, since something was written");
  assert.equal(await ask(), "written");
  await keeper.close();
});
