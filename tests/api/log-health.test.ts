/** A log that cannot be written makes the server not ready, until it can, also where nobody asks meanwhile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { LockstepError, ManualClock, timestamp, type ErrorCode } from "../../src/base/index.ts";
import { LogHealth } from "../../src/edge/api/log-health.ts";
import type { Receipt, ReceiptInput } from "../../src/work/audit/index.ts";

class FakeLog {
  failure: ErrorCode | undefined;
  checks = 0;

  async append(input: ReceiptInput): Promise<Receipt> {
    await this.#work();
    return input as unknown as Receipt;
  }
  async check(): Promise<void> {
    this.checks += 1;
    await this.#work();
  }
  async #work(): Promise<void> {
    if (this.failure !== undefined) throw new LockstepError(this.failure, "as the test wants it");
  }
}

const INPUT = { requestId: "r" } as unknown as ReceiptInput;

test("not ready after a failed append, until an append or a try succeeds", async () => {
  const log = new FakeLog();
  const clock = new ManualClock();
  const health = new LogHealth(log, clock);
  for (const failure of ["DISK_FAILED", "WORKER_DIED", "LOG_CORRUPT"] as const) {
    assert.equal(health.failure(), undefined);
    log.failure = failure;
    await assert.rejects(health.append(INPUT), { code: failure });
    for (let i = 0; i < 3; i++) {
      assert.equal(health.failure()?.code, failure);
      await turn();
      clock.advance(500);
    }
    log.failure = undefined;
    assert.equal(health.failure()?.code, failure, "it is tried now");
    await turn();
    assert.equal(health.failure(), undefined, failure);
  }
  log.failure = "DISK_FAILED";
  await assert.rejects(health.append(INPUT));
  log.failure = undefined;
  await health.append(INPUT);
  assert.equal(health.failure(), undefined, "an append succeeded");
});

test("it is tried twice a second at most, and what says nothing of the log changes nothing", async () => {
  const log = new FakeLog();
  const health = new LogHealth(log, new ManualClock());
  for (const failure of ["INPUT_INVALID", "OVERLOADED", "SHUTTING_DOWN"] as const) {
    log.failure = failure;
    await assert.rejects(health.append(INPUT), { code: failure });
    assert.equal(health.failure(), undefined, failure);
  }
  log.failure = "DISK_FAILED";
  await assert.rejects(health.append(INPUT));
  for (let i = 0; i < 50; i++) assert.equal(health.failure()?.code, "DISK_FAILED");
  assert.equal(log.checks, 1);
});

test("a clock that names no year is the machine's fault, not the client's", () => {
  assert.equal(timestamp(new ManualClock(0)), "1970-01-01T00:00:00.000Z");
  for (const year of [-1, 10_000])
    assert.throws(() => timestamp(new ManualClock(Date.UTC(year, 0))), { code: "RUNTIME_FAILED" });
});
