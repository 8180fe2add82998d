/**
 * Names for what is being written, and the removal of what a dead process left behind. A name says who owns it:
 * `tmp-<host>-<process>-<random>`. Nothing else is ever removed.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { sha256Hex, type Clock } from "../../base/index.ts";
import { codeOf } from "./node-file-system.ts";
import type { FileSystem } from "./file-system.ts";

const PATTERN = /^tmp-([0-9a-f]{8})-([0-9]{1,10})-[0-9a-f]{16}$/;
/** Older than this, it is nobody's: its process number may belong to another by now, or its host may be gone. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;
const MAX_LISTED = 10_000;

export function temporaryName(): string {
  return `tmp-${hostId()}-${process.pid}-${randomBytes(8).toString("hex")}`;
}

/** Removes from `folder` the temporary files and folders of processes that are gone. Returns their names. */
export async function cleanTemporary(fs: FileSystem, folder: string, clock: Clock): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await fs.list(folder, MAX_LISTED)) {
    const info = PATTERN.test(name) ? await fs.info(join(folder, name)) : undefined;
    if (info === undefined || !isAbandoned(name, clock.now() - info.modified)) continue;
    try {
      await fs.remove(join(folder, name));
      removed.push(name);
    } catch (error) {
      // Whoever may only read a store can still open it; the next writer cleans.
      if (!["EROFS", "EACCES", "EPERM"].includes(codeOf(error) ?? "")) throw error;
    }
  }
  return removed;
}

function isAbandoned(name: string, age: number): boolean {
  const [, host, owner] = PATTERN.exec(name) ?? [];
  return age > ABANDONED_MS || (host === hostId() && !isAlive(Number(owner)));
}

function isAlive(process_: number): boolean {
  try {
    return process.kill(process_, 0);
  } catch (error) {
    return codeOf(error) !== "ESRCH"; // EPERM: alive, and somebody else's
  }
}

function hostId(): string {
  return sha256Hex(hostname()).slice(0, 8);
}
