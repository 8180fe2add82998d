/**
 * `verify` on a tiny version: it passes in both executors, its control is caught, and a difference becomes a typed
 * error. @concurrent
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { requireVerified, verify, type VerifyReport } from "../../src/edge/api/index.ts";
import { encodeSafetensors, readSafetensors } from "../../src/numeric/tensor/index.ts";
import { invarianceRows, openInvariancePool, readVersionInfo } from "../../src/work/infer/index.ts";
import { tinyFiles } from "../serve/tiny-version.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-verify-"));
after(() => {
  rmSync(folder, { recursive: true, force: true });
});
for (const [name, bytes] of tinyFiles(1)) writeFileSync(join(folder, name), bytes);

describe("verify", () => {
  let report: VerifyReport;

  test("passes on a tiny version in both executors, its controls caught", async () => {
    const seen = new Set<string>();
    report = await verify(folder, {
      quick: true,
      threads: [2],
      onProgress: ({ executor, rows }) => {
        if (rows > 0) seen.add(executor);
      },
    });
    assert.deepEqual(
      report.checks.filter(({ difference }) => difference !== null),
      [],
    );
    assert.deepEqual(report.controls, [
      { executor: "native", caught: true },
      { executor: "portable", caught: true },
    ]);
    assert.equal(report.ok, true);
    assert.deepEqual(
      report.profiles.map(({ executor, form }) => [executor, form]),
      [
        ["native", "packed"],
        ["portable", "packed"],
      ],
    );
    assert.deepEqual(
      [report.batchSizes, report.lengths, [...seen]],
      [
        [1, 2, 3, 5, 8, 16, 32],
        [8, 24, 80],
        ["native", "portable"],
      ],
    );
    assert.ok(
      report.checks
        .filter(({ check }) => check.includes("scheduler"))
        .every(({ runs, rows }) => rows === 192 && runs > 6),
      "the scheduler made many batches",
    );
    requireVerified(report);
  });

  test("a difference, or a control that was not caught, is CHECK_FAILED with its place", () => {
    const difference = {
      set: 2,
      row: 7,
      batch: 16,
      position: 11,
      length: 70,
      tokens: 80,
      element: 2,
      expected: "3f800000",
      actual: "3f800001",
    };
    const failed: VerifyReport = {
      ...report,
      ok: false,
      checks: report.checks.map((check, i) => (i === 1 ? { ...check, difference } : check)),
    };
    assert.throws(
      () => {
        requireVerified(failed);
      },
      (error: unknown) =>
        isLockstepError(error) &&
        error.code === "CHECK_FAILED" &&
        ["native", "16", "11", "70", "3f800000", "3f800001"].every((part) => error.message.includes(part)) &&
        error.details["position"] === 11 &&
        error.details["batch"] === 16 &&
        error.details["element"] === 2,
    );
    const blind: VerifyReport = { ...report, ok: false, controls: [{ executor: "portable", caught: false }] };
    assert.throws(
      () => {
        requireVerified(blind);
      },
      (error: unknown) => isLockstepError(error) && error.code === "CHECK_FAILED" && error.message.includes("control"),
    );
  });

  test("can be cancelled, and refuses what it does not know", async () => {
    const stop = new AbortController();
    await assert.rejects(
      verify(folder, {
        executors: ["native"],
        signal: stop.signal,
        onProgress: () => {
          stop.abort();
        },
      }),
      (error: unknown) => isLockstepError(error) && error.code === "CANCELLED",
    );
    await assert.rejects(
      verify(folder, { executors: ["reference" as "native"] }),
      (error: unknown) => isLockstepError(error) && error.code === "OPTION_INVALID",
    );
    await assert.rejects(
      verify(join(folder, "nowhere")),
      (error: unknown) => isLockstepError(error) && error.code === "NOT_FOUND",
    );
  });

  test("the control is caught for a version whose logits are all zero, too", async () => {
    const files = new Map(tinyFiles(1));
    const { tensors } = readSafetensors(files.get("model.safetensors")!.slice());
    (tensors.get("classifier.weight")!.data as Float32Array).fill(0);
    files.set("model.safetensors", encodeSafetensors(tensors));
    const { tokenizer, maxTokens } = readVersionInfo(files);
    await using pool = await openInvariancePool(
      { files, executor: "native", sets: (await invarianceRows(tokenizer, maxTokens)).slice(0, 1) },
      () => {},
    );
    const { difference } = await pool.request(0, { kind: "control" });
    assert.ok(difference !== null && difference.batch > 1);
  });
});
