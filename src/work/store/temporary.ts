/**
 * Names for what is being written, and the removal of what dead processes left behind. Whoever writes into a folder
 * shares a lock of the operating system while it does (`writing.lock` in it); who gets that lock alone knows that
 * nobody writes, in whatever container or on whatever host, and that what is left is nobody's. Process numbers say
 * nothing of that: another container has its own. Nothing else is ever removed.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { isLockstepError, type Clock } from "../../base/index.ts";
import { codeOf } from "./node-file-system.ts";
import type { FileSystem } from "./file-system.ts";

const PATTERN = /^tmp-(?:[0-9a-f]{32}|[0-9a-f]{8}-[0-9]{1,10}-[0-9a-f]{16})$/;
/** The names that Lockstep 0.1 gave, with a host and a process, whose writers hold no lock: left alone for a day. */
const UNLOCKED = /^tmp-[0-9a-f]{8}-/;
const ABANDONED_MS = 24 * 60 * 60 * 1000;
const MAX_LISTED = 10_000;
const LOCK = "writing.lock";

export function temporaryName(): string {
  return `tmp-${randomBytes(16).toString("hex")}`;
}

/** Writes in `folder`, or from it to elsewhere: what has a temporary name there is left alone until this is done. */
export async function whileWriting<T>(fs: FileSystem, folder: string, work: () => Promise<T>): Promise<T> {
  await using _ = await fs.share(join(folder, LOCK));
  return await work();
}

/**
 * Removes from `folder` the temporary files and folders that nobody writes any more. Returns their names. Where
 * somebody writes, nothing is removed: the next one cleans.
 */
export async function cleanTemporary(fs: FileSystem, folder: string, clock: Clock): Promise<string[]> {
  const left = await abandoned(fs, folder, clock);
  if (left.length === 0) return [];
  const removed: string[] = [];
  try {
    await using alone = await fs.tryLock(join(folder, LOCK));
    if (alone === undefined) return [];
    // Listed again under the lock: what was seen before may be done, and what came since is done too.
    for (const name of await abandoned(fs, folder, clock)) {
      await fs.remove(join(folder, name));
      removed.push(name);
    }
  } catch (error) {
    if (!mayOnlyRead(error)) throw error;
  }
  return removed;
}

async function abandoned(fs: FileSystem, folder: string, clock: Clock): Promise<string[]> {
  const names: string[] = [];
  for (const name of await fs.list(folder, MAX_LISTED)) {
    const info = PATTERN.test(name) ? await fs.info(join(folder, name)) : undefined;
    if (info === undefined) continue;
    if (!UNLOCKED.test(name) || clock.now() - info.modified > ABANDONED_MS) names.push(name);
  }
  return names;
}

/** Whoever may only read a store can still open it; the next writer cleans. */
function mayOnlyRead(error: unknown): boolean {
  // a lock that cannot be opened or taken: its folder may not be written to
  if (isLockstepError(error)) return error.code === "DISK_FAILED";
  return ["EROFS", "EACCES", "EPERM"].includes(codeOf(error) ?? "");
}
