/** Verifying a log in place. */
import { existsSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { isLockstepError, type ErrorCode } from "../../base/index.ts";
import { ChainChecker, type VerifyOptions, type VerifyReport } from "./chain-checker.ts";
import { compareWithKept, isOfOldFolder } from "./compare-kept.ts";
import { readHeadFile } from "./head-file.ts";
import { readKeptHead } from "./kept-head.ts";
import { LogReader } from "./reader.ts";
import { onLog } from "./sqlite.ts";

/**
 * Checks every receipt, every signature, the head file beside the log and the one kept outside. What is wrong is in the
 * report; only a log that is not there (NOT_FOUND), an unusable option or a failing disk is thrown. Works beside a
 * running writer.
 */
export async function verifyLog(path: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const checker = new ChainChecker(options);
  const steps = checkLog(path, checker, options);
  // Other work of the process goes on between two pages.
  while (steps.next().done !== true) await setImmediate();
  return checker.report();
}

/** `verifyLog` in one go, for the writer's thread. */
export function verifyLogNow(path: string, options: VerifyOptions): VerifyReport {
  const checker = new ChainChecker(options);
  for (const _ of checkLog(path, checker, options)); // nothing else to do meanwhile
  return checker.report();
}

function* checkLog(path: string, checker: ChainChecker, { keptHeads }: VerifyOptions): Generator<undefined> {
  try {
    // Before the log: then the log has at least what these heads cover.
    const kept = keptHeads === undefined ? undefined : onLog(path, () => readKeptHead(keptHeads, path));
    if (!existsSync(path) && kept !== undefined && kept.count > 0 && !isOfOldFolder(kept))
      return checker.fail("kept-head", `a log of ${kept.count} receipts lay at ${path}, and it is gone`);
    const beside = onLog(path, () => readHeadFile(path));
    using reader = new LogReader(path);
    checker.setFormat(reader.format);
    yield* checkReceipts(reader, checker);
    if (checker.failed) return;
    const heads = reader.heads();
    checker.addHeads(heads, beside);
    // Another process may have begun the log between the two readings; a head file comes before the first head.
    if (heads.length > 0 && beside === undefined && readHeadFile(path) === undefined)
      checker.fail(
        "head-missing",
        `the log is signed, but its head file ${path}.head.json is missing: without it, a missing end cannot be seen`,
      );
    reader.requireIntegrity();
    if (keptHeads !== undefined) onLog(path, () => compareWithKept(path, keptHeads, kept, checker));
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    checker.fail("unreadable", error.message);
  }
}

function* checkReceipts(reader: LogReader, checker: ChainChecker): Generator<undefined> {
  for (const page of reader.pages()) {
    for (const receipt of page) checker.add(receipt);
    if (checker.failed) return;
    yield;
  }
}

function isCorrupt(error: unknown): error is Error {
  return isLockstepError(error) && error.code === ("LOG_CORRUPT" satisfies ErrorCode);
}
