/**
 * Replaying a log: every receipt's answer computed again from its own request, and compared. A log that does not verify
 * is refused.
 */
import { isLockstepError, LockstepError } from "../../base/index.ts";
import type { VerifyOptions, VerifyReport } from "./chain-checker.ts";
import { compareAnswers, type Comparison, type Recomputed, type Verdict } from "./compare.ts";
import { LogReader } from "./reader.ts";
import { requestOf, type Receipt } from "./receipt.ts";
import type { LogFormat } from "./signing.ts";
import { verifyLog } from "./verify.ts";

/**
 * Answers one request again; undefined when that cannot be done here (the version is gone, the profile cannot be
 * compared with).
 */
export type Recompute = (receipt: Receipt, request: unknown) => Promise<Recomputed | undefined>;

export interface ReplayOptions extends VerifyOptions {
  /** First receipt. @default 0 */
  readonly from?: number;
  /** Most receipts. @default all */
  readonly limit?: number;
  /** Across profiles: most difference of two numbers, absolute below 1 and relative above. @default 1e-4 */
  readonly tolerance?: number;
  /** Receipts computed at once, so that they can share batches (which changes no answer). @default 16 */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number) => void;
}

export interface ReplayDetail extends Comparison {
  readonly index: number;
  readonly requestId: string;
  readonly version: string;
}

export interface ReplayReport extends Readonly<Record<Verdict, number>> {
  /** Answers that were looked at; receipts of erasures are not answers. */
  readonly count: number;
  /** Of every answer that was not the same, in order. */
  readonly details: readonly ReplayDetail[];
  /** What was found of the log itself: who signed it, and what is claimed of it. */
  readonly log: VerifyReport;
}

/**
 * LOG_CORRUPT when the log does not verify. An error of `recompute` ends the replay, unless it is NOT_FOUND (not
 * replayable).
 */
export async function replayLog(
  path: string,
  recompute: Recompute,
  options: ReplayOptions = {},
): Promise<ReplayReport> {
  const { from = 0, limit = Infinity, tolerance = 1e-4, concurrency = 16, signal } = options;
  const log = await verifyLog(path, options);
  const { problem } = log;
  if (problem !== undefined)
    throw new LockstepError(
      "LOG_CORRUPT",
      `the audit log ${path} does not verify, so it is not replayed: ${problem.message}`,
      { path, kind: problem.kind, count: log.count, signed: log.signed, signedBy: log.signedBy },
    );
  const totals = { same: 0, withinTolerance: 0, different: 0, erased: 0, notReplayable: 0 };
  const details: ReplayDetail[] = [];
  let count = 0;
  using reader = new LogReader(path);
  for (const receipts of groups(reader, from, limit, concurrency)) {
    if (signal?.aborted === true)
      throw new LockstepError("CANCELLED", `the replay was cancelled after ${count} receipts`, { count });
    const replayed = receipts.map((receipt) => replayOne(receipt, log.format, recompute, tolerance));
    for (const detail of await Promise.all(replayed)) {
      totals[detail.verdict]++;
      if (detail.verdict !== "same") details.push(detail);
    }
    count += receipts.length;
    options.onProgress?.(count);
  }
  return { ...totals, count, details, log };
}

async function replayOne(
  receipt: Receipt,
  format: LogFormat,
  recompute: Recompute,
  tolerance: number,
): Promise<ReplayDetail> {
  const { index, requestId, version } = receipt;
  if (receipt.request === null || receipt.summary === null) {
    const when = `its text was erased at ${receipt.erasedAt ?? "an unknown time"}`;
    // In a log of format 1 whoever could write to the file could say so.
    return format === 1
      ? { index, requestId, version, verdict: "notReplayable", reason: `${when}, which nothing signed says` }
      : { index, requestId, version, verdict: "erased", reason: when };
  }
  const again = await orWhyNot(() => recompute(receipt, requestOf(receipt)));
  if (typeof again === "string") return { index, requestId, version, verdict: "notReplayable", reason: again };
  const summary: unknown = JSON.parse(receipt.summary);
  return { index, requestId, version, ...compareAnswers({ ...receipt, summary }, again, tolerance) };
}

async function orWhyNot(recompute: () => Promise<Recomputed | undefined>): Promise<Recomputed | string> {
  try {
    return (await recompute()) ?? "its version or a profile to compare with is not available here";
  } catch (error) {
    if (isLockstepError(error) && error.code === "NOT_FOUND") return error.message;
    throw error;
  }
}

function* groups(reader: LogReader, from: number, limit: number, size: number): Generator<readonly Receipt[]> {
  let group: Receipt[] = [];
  let left = limit;
  for (const page of reader.pages(from)) {
    for (const receipt of page) {
      if (left <= 0) break;
      if (receipt?.kind === "erasure") continue;
      left--;
      if (receipt === undefined)
        throw new LockstepError("LOG_CORRUPT", `the audit log ${reader.path} changed while it was replayed`, {
          path: reader.path,
        });
      group.push(receipt);
      if (group.length < size) continue;
      yield group;
      group = [];
    }
    if (left <= 0) break;
  }
  if (group.length > 0) yield group;
}
