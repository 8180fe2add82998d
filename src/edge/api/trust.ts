/** When a log, or a replay of one, proves enough: said once for the command and for programs. */
import { LockstepError } from "../../base/index.ts";
import type { ReplayReport, VerifyReport } from "../../work/audit/index.ts";

export interface TrustOptions {
  /** A log that nobody vouches for is taken all the same: not signed, or by a key that only the log names. */
  readonly allowUnsigned?: boolean | undefined;
  /** Answers that may be not replayable, because their version or a profile is not there. @default 0 */
  readonly allowNotReplayable?: number | undefined;
}

/** @throws LOG_CORRUPT the chain does not hold; CHECK_FAILED nobody vouches for it */
export function requireTrusted(log: VerifyReport, { allowUnsigned = false }: TrustOptions = {}): void {
  const { problem, signedBy } = log;
  if (problem !== undefined)
    throw new LockstepError("LOG_CORRUPT", `the log does not verify: ${problem.message}`, { kind: problem.kind });
  if (signedBy === "given-key" || allowUnsigned || log.count === 0) return;
  throw new LockstepError(
    "CHECK_FAILED",
    signedBy === "nobody"
      ? "the log is not signed, so anybody may have written it; --allow-unsigned takes it all the same"
      : `the log is signed by a key that only the log itself names (${log.key}); give the one you trust with ` +
          "--public-key, or take it all the same with --allow-unsigned",
    { signedBy },
  );
}

/** @throws REPLAY_MISMATCH an answer came out differently; CHECK_FAILED too many could not be computed again */
export function requireReplayed(report: ReplayReport, options: TrustOptions = {}): void {
  const { count, different, notReplayable, log } = report;
  const { allowNotReplayable = 0 } = options;
  if (different > 0)
    throw new LockstepError("REPLAY_MISMATCH", `${different} of ${count} answers came out differently`, {
      different,
      count,
    });
  requireTrusted(log, options);
  if (notReplayable > allowNotReplayable)
    throw new LockstepError(
      "CHECK_FAILED",
      `${notReplayable} of ${count} answers could not be computed again; --allow-not-replayable ${notReplayable} ` +
        "takes that many",
      { notReplayable, count },
    );
}
