/**
 * A log compared with the head that was kept outside it. What a log of another place says of the same receipts counts
 * too: a log may be moved and copied, but not shortened on the way.
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { isLockstepError } from "../../base/index.ts";
import type { ChainChecker } from "./chain-checker.ts";
import { folderIdentity, otherPlaces, type KeptRecord } from "./kept-head.ts";
import { LogReader } from "./reader.ts";

/** Whether the record is of a log that lay in another folder of the same path: its whole store is another one now. */
export function isOfOldFolder(record: KeptRecord): boolean {
  return !existsSync(dirname(record.path)) || record.folder !== folderIdentity(record.path);
}

/** `own`: what is kept of the log at this path, read before the log was. The checker has seen every receipt. */
export function compareWithKept(
  path: string,
  folder: string,
  own: KeptRecord | undefined,
  checker: ChainChecker,
): void {
  if (checker.failed) return;
  if (own !== undefined && own.count > 0 && !(own.first !== checker.first && isOfOldFolder(own)))
    return compareOwn(path, own, checker);
  if (own?.count === 0) return checker.setKept(0);
  if (checker.first === undefined) return;
  const others = otherPlaces(folder, path, checker.first);
  const fitting = others.filter((other) => fits(other, checker));
  if (others.length > 0 && fitting.length === 0)
    checker.fail(
      "kept-head",
      `this log was at ${others.map((other) => `${other.path} (${other.count} receipts)`).join(", ")}, and what was ` +
        "kept of it there is not in it; restore it from a copy, or remove " +
        `${others[0]?.file ?? folder} to trust it as it is`,
    );
  else if (fitting.length > 0) checker.setKept(Math.min(checker.count, ...fitting.map(({ count }) => count)));
}

function compareOwn(path: string, own: KeptRecord, checker: ChainChecker): void {
  const goOn = `restore it from a copy, or remove ${own.file} to trust it as it is`;
  if (own.first !== checker.first)
    return checker.fail(
      "kept-head",
      `another log lay at ${path}, with ${own.count} receipts; ${goOn}, or begin a log at another place`,
    );
  const hash = checker.hashAfter(own.count);
  if (hash === undefined)
    return checker.fail(
      "end-missing",
      `it has ${checker.count} receipts, but it had ${own.count}: its end is missing; ${goOn}`,
      checker.count,
    );
  if (hash !== own.head)
    return checker.fail(
      "head-changed",
      `receipt ${own.count - 1} is not the one that was kept; ${goOn}`,
      own.count - 1,
    );
  if (checker.format < own.format)
    return checker.fail("format-changed", `it is of format ${checker.format}, but it was of ${own.format}; ${goOn}`);
  checker.setKept(own.count);
}

/** It holds what was kept of a log that has gone from its place, or is the beginning of one that is still there. */
function fits(other: KeptRecord, checker: ChainChecker): boolean {
  if (checker.hashAfter(other.count) === other.head) return true;
  if (!existsSync(other.path)) return false;
  try {
    using reader = new LogReader(other.path);
    return reader.hashAt(checker.count - 1) === checker.hashAfter(checker.count);
  } catch (error) {
    if (isLockstepError(error)) return false; // it cannot vouch for a copy
    throw error;
  }
}
