/**
 * Checkpoints of a training: one file per step, which ends with the SHA-256 of everything before it, so that a file is
 * either whole or recognised as not. The last two are kept; when the newest is damaged, the one before it is used, and
 * that is said.
 *
 *   "LKCKPT01" · u32 length of the header · header (canonical JSON) · padding to 64 · each buffer, padded to 64 ·
 *   SHA-256
 */
import { join } from "node:path";
import { isLockstepError, LockstepError, systemClock } from "../../base/index.ts";
import { decodeCheckpoint, encodeCheckpoint, type CheckpointContent } from "./checkpoint-format.ts";
import { onDisk } from "./disk-errors.ts";
import { makeFolders, replaceFile } from "./durable.ts";
import type { FileInfo, FileSystem } from "./file-system.ts";
import { isMissing, nodeFileSystem } from "./node-file-system.ts";
import { cleanTemporary, temporaryName, whileWriting } from "./temporary.ts";

const NAME = /^step-([0-9]{12})\.checkpoint$/;
const KEPT = 2;
const MAX_LISTED = 10_000;

export interface LoadedCheckpoint extends CheckpointContent {
  readonly path: string;
  /** Newer checkpoints that could not be used, newest first. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * Writes the state after `step`, atomically: a crash at any point leaves the checkpoints that were there, or those and
 * this one. `buffers` may be shared memory, but nobody may write to it until this resolves. Then all but the last two
 * are removed.
 */
export async function saveCheckpoint(
  folder: string,
  content: CheckpointContent,
  fs: FileSystem = nodeFileSystem,
): Promise<string> {
  const path = join(folder, fileName(content.step));
  await onDisk("write the checkpoint", path, async () => {
    await makeFolders(fs, folder);
    await cleanTemporary(fs, folder, systemClock);
    await whileWriting(fs, folder, () =>
      replaceFile(fs, join(folder, temporaryName()), path, encodeCheckpoint(content)),
    );
    const old = (await checkpointsIn(fs, folder)).slice(0, -KEPT);
    for (const name of old) await fs.remove(join(folder, name));
  });
  return path;
}

/**
 * The newest checkpoint that is whole; undefined when there is none at all, CHECKPOINT_INVALID when none of those there
 * is whole.
 */
export async function loadLatestCheckpoint(
  folder: string,
  fs: FileSystem = nodeFileSystem,
): Promise<LoadedCheckpoint | undefined> {
  const skipped: { path: string; reason: string }[] = [];
  for (const name of (await checkpointsIn(fs, folder)).reverse()) {
    const path = join(folder, name);
    try {
      return { ...(await readCheckpoint(fs, path, name)), path, skipped };
    } catch (error) {
      if (!isLockstepError(error) || error.code !== "CHECKPOINT_INVALID") throw error;
      skipped.push({ path, reason: error.message });
    }
  }
  if (skipped.length === 0) return undefined;
  throw new LockstepError(
    "CHECKPOINT_INVALID",
    `no checkpoint in ${folder} can be used. ${skipped.map(({ reason }) => reason).join(" ")} Start again ` +
      "without resuming",
    { folder },
  );
}

async function readCheckpoint(fs: FileSystem, path: string, name: string): Promise<CheckpointContent> {
  const inspect = (info: FileInfo): void => {
    if (info.kind !== "file") throw new LockstepError("CHECKPOINT_INVALID", `${path} is not a regular file.`, { path });
  };
  const bytes = await onDisk("read", path, () => fs.readFile(path, { inspect }));
  const content = await decodeCheckpoint(bytes, path);
  if (fileName(content.step) !== name)
    throw new LockstepError("CHECKPOINT_INVALID", `${path} holds step ${content.step}: it was renamed.`, { path });
  return content;
}

/** Oldest first. */
async function checkpointsIn(fs: FileSystem, folder: string): Promise<string[]> {
  try {
    return (await fs.list(folder, MAX_LISTED)).filter((name) => NAME.test(name));
  } catch (error) {
    if (isMissing(error)) return [];
    return await onDisk("list", folder, () => Promise.reject(error));
  }
}

function fileName(step: number): string {
  if (!Number.isSafeInteger(step) || step < 0 || step >= 1e12)
    throw new LockstepError("INTERNAL", `a checkpoint's step must be an integer from 0, not ${step}`);
  return `step-${String(step).padStart(12, "0")}.checkpoint`;
}
