/** Verifying a log in place. */
import { setImmediate } from "node:timers/promises";
import { isLockstepError, type ErrorCode } from "../../base/index.ts";
import { ChainChecker, type VerifyOptions, type VerifyReport } from "./chain-checker.ts";
import { readHeadFile } from "./head-file.ts";
import { LogReader } from "./reader.ts";
import { onLog } from "./sqlite.ts";
import { normalizeKey, type SignedHead } from "./signing.ts";

/**
 * Checks every receipt, every signature and the head file beside the log. What is wrong is in the report; only a log
 * that is not there (NOT_FOUND), an unusable option or a failing disk is thrown. Works beside a running writer.
 */
export async function verifyLog(path: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  if (options.publicKey !== undefined) normalizeKey(options.publicKey);
  const checker = new ChainChecker(options);
  try {
    // Before the log: then the log has at least what this head covers.
    const newest = onLog(path, () => readHeadFile(path));
    using reader = new LogReader(path);
    await checkAll(reader, checker, newest);
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    checker.fail("unreadable", error.message);
  }
  return checker.report();
}

async function checkAll(reader: LogReader, checker: ChainChecker, newest: SignedHead | undefined): Promise<void> {
  for (const page of reader.pages()) {
    for (const receipt of page) checker.add(receipt);
    if (checker.failed) return;
    await setImmediate();
  }
  const heads = reader.heads();
  checker.addHeads(heads, newest);
  if (heads.length > 0 && newest === undefined && readHeadFile(reader.path) === undefined)
    checker.fail(
      "head-missing",
      `the log is signed, but its head file ${reader.path}.head.json is missing: without it, a missing end ` +
        "cannot be seen",
    );
}

function isCorrupt(error: unknown): error is Error {
  return isLockstepError(error) && error.code === ("LOG_CORRUPT" satisfies ErrorCode);
}
