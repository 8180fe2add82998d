/** Replaying: the four verdicts, and a log that does not verify is refused. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { isLockstepError, LockstepError, sha256Hex } from "../../src/base/index.ts";
import { compareAnswers, openAuditLog, replayLog, type Recompute } from "../../src/work/audit/index.ts";
import { fixture, input, PROFILE, write } from "./support/inputs.ts";

/** Computes what `input` recorded; `change` makes it differ. */
function recompute(
  change: (i: number) => { digest?: string; profileId?: string; probability?: number; label?: string } = () => ({}),
): Recompute {
  return async (receipt, request) => {
    assert.match((request as { text: string }).text, new RegExp(`test ${receipt.index} ü$`));
    const {
      digest = sha256Hex(`answer ${receipt.index}`),
      profileId = PROFILE.id,
      probability = 0.5 + receipt.index / 1000,
      label = "card_arrival",
    } = change(receipt.index);
    return { answerDigest: digest, profileId, summary: { probability, label } };
  };
}

test("two hundred answers, bit for bit", async (t) => {
  const { log, key } = await fixture(t);
  write(log, 200, { keyPath: key });
  const progress: number[] = [];
  const report = await replayLog(log, recompute(), { onProgress: (done) => progress.push(done) });
  const { log: found, ...totals } = report;
  const none = { withinTolerance: 0, different: 0, erased: 0, notReplayable: 0, details: [] };
  assert.deepEqual(totals, { same: 200, count: 200, ...none });
  assert.deepEqual([found.ok, found.signed, found.signedBy], [true, 200, "key-in-log"]);
  assert.equal(progress.at(-1), 200);
  assert.equal((await replayLog(log, recompute(), { from: 190, limit: 7, concurrency: 3 })).same, 7);
});

test("each verdict, with its reason", async (t) => {
  const { log, key } = await fixture(t);
  write(log, 8, { keyPath: key });
  await using open = await openAuditLog(log, { keyPath: key });
  await open.erase("test-7");
  const other = { digest: sha256Hex("other"), profileId: "other" };
  const changes = [
    {},
    { digest: sha256Hex("x") },
    { ...other, probability: 0.502 + 5e-5 },
    { ...other, probability: 0.6 },
    { ...other, label: "lost_card" },
    { profileId: "other" },
  ];
  const report = await replayLog(log, async (receipt, request) => {
    if (receipt.index === 6) throw new LockstepError("NOT_FOUND", "no such version");
    return await recompute((i) => changes[i] ?? {})(receipt, request);
  });
  assert.deepEqual([report.same, report.withinTolerance, report.different, report.notReplayable], [2, 1, 3, 1]);
  assert.deepEqual([report.erased, report.count], [1, 8], "the receipt of the erasure is no answer");
  assert.deepEqual(
    report.details.map(({ index, verdict }) => `${index} ${verdict}`),
    ["1 different", "2 withinTolerance", "3 different", "4 different", "6 notReplayable", "7 erased"],
  );
  assert.match(report.details[0]!.reason, /profile is the same/);
  assert.match(report.details[5]!.reason, /erased/);
  assert.equal((await replayLog(log, async () => undefined)).notReplayable, 7);
});

test("a failure of the model is not a verdict, and a changed log is not replayed", async (t) => {
  const { log, key } = await fixture(t);
  write(log, 3, { keyPath: key });
  await assert.rejects(
    replayLog(log, async () => {
      throw new LockstepError("RUNTIME_FAILED", "boom");
    }),
    /boom/,
  );
  await assert.rejects(
    replayLog(log, recompute(), { signal: AbortSignal.abort() }),
    (error) => isLockstepError(error) && error.code === "CANCELLED",
  );
  const database = new DatabaseSync(log);
  database.exec(`UPDATE receipts SET request = '${input(2).request}' WHERE idx = 1`);
  database.close();
  await assert.rejects(
    replayLog(log, recompute()),
    (error) => isLockstepError(error) && error.code === "LOG_CORRUPT" && /receipt 1/.test(error.message),
  );
});

test("comparing: numbers anywhere, and nothing else may differ", () => {
  const receipt = {
    answerDigest: "a",
    profileId: "p",
    summary: {
      labels: [
        { p: 0.9, label: "x" },
        { p: 0.1, label: "y" },
      ],
      n: 1000,
    },
  };
  const again = (summary: unknown) =>
    compareAnswers(receipt, { answerDigest: "b", profileId: "q", summary }, 1e-4).verdict;
  assert.equal(
    again({
      labels: [
        { p: 0.90005, label: "x" },
        { p: 0.1, label: "y" },
      ],
      n: 1000.05,
    }),
    "withinTolerance",
  );
  assert.equal(
    again({
      labels: [
        { p: 0.9, label: "y" },
        { p: 0.1, label: "x" },
      ],
      n: 1000,
    }),
    "different",
  );
  assert.equal(again({ labels: [{ p: 0.9, label: "x" }], n: 1000 }), "different");
  assert.equal(again({ labels: { 0: { p: 0.9, label: "x" }, 1: { p: 0.1, label: "y" } }, n: 1000 }), "different");
  assert.equal(
    again({
      labels: [
        { p: 0.9, label: "x" },
        { p: 0.1, label: "y" },
      ],
      n: 1000,
      more: 0,
    }),
    "different",
  );
  assert.equal(again(null), "different");
  assert.equal(
    compareAnswers(receipt, { answerDigest: "b", profileId: "p", summary: receipt.summary }, 1).verdict,
    "different",
  );
});

test("a label that the bits do not say is different, on any profile", () => {
  const receipt = { answerDigest: "a", profileId: "p", summary: { label: "forged", probability: 0.9 } };
  for (const profileId of ["p", "q"]) {
    const again = { answerDigest: "a", profileId, summary: { label: "lost_card", probability: 0.9 } };
    const { verdict, reason } = compareAnswers(receipt, again, 1e-4);
    assert.deepEqual(
      [verdict, reason],
      ["different", "the bits are the same, but the answer recorded is not what they say"],
    );
    const order = { probability: 0.9, label: "forged" };
    assert.equal(compareAnswers(receipt, { ...again, summary: order }, 1e-4).verdict, "same", "in any order of keys");
  }
});
