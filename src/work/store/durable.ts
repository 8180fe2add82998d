/**
 * Writing that survives a crash, in the one order that does: contents synced before they get their final name, the name
 * synced before anybody is told. Leave out one sync and tests/store/durability.test.ts shows what is lost.
 */
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { FileSystem } from "./file-system.ts";
import type { FileDigest } from "./manifest.ts";

const PIECE = 4 * 1024 * 1024;

/**
 * Pieces of `bytes`, copied. What is hashed and what is written must be the same bytes, and `bytes` may be memory that
 * other threads can write to; the copy costs a fraction of the hash.
 */
export function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.slice(at, Math.min(bytes.length, at + PIECE));
}

/** SHA-256 of `bytes`, in hex, giving way to other events every few milliseconds. */
export async function hashOf(bytes: Uint8Array): Promise<string> {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += PIECE) {
    if (at > 0) await setImmediate();
    hash.update(bytes.subarray(at, at + PIECE));
  }
  return hash.digest("hex");
}

/** Creates `path` with these pieces and syncs its contents; its name is durable after the folder's sync. */
export async function writeSynced(fs: FileSystem, path: string, pieces: Iterable<Uint8Array>): Promise<void> {
  const file = await fs.createFile(path);
  try {
    for (const piece of pieces) await file.write(piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The same with what was written, hashed piece by piece on its way. */
export async function writeHashed(fs: FileSystem, path: string, pieces: Iterable<Uint8Array>): Promise<FileDigest> {
  const hash = createHash("sha256");
  let bytes = 0;
  function* hashed(): Generator<Uint8Array> {
    for (const piece of pieces) {
      hash.update(piece);
      bytes += piece.length;
      yield piece;
    }
  }
  await writeSynced(fs, path, hashed());
  return { sha256: hash.digest("hex"), bytes };
}

/** Puts a file in place of whatever `target` was, atomically. `temporary` must be on the same file system. */
export async function replaceFile(
  fs: FileSystem,
  temporary: string,
  target: string,
  pieces: Iterable<Uint8Array>,
): Promise<void> {
  await orRemove(fs, temporary, async () => {
    await writeSynced(fs, temporary, pieces);
    await fs.rename(temporary, target);
    await fs.syncFolder(dirname(target));
  });
}

/** Runs `work`; if it throws, `temporary` is removed first. */
export async function orRemove<T>(fs: FileSystem, temporary: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // The first failure is the one to report; what cannot be removed now is removed when the store is next opened.
    await fs.remove(temporary).catch(() => undefined);
    throw error;
  }
}

/** Makes `path` and its missing parents, durably. */
export async function makeFolders(fs: FileSystem, path: string): Promise<void> {
  if ((await fs.info(path)) !== undefined) return;
  const parent = dirname(path);
  if (parent !== path) await makeFolders(fs, parent);
  await makeFolder(fs, path);
  await fs.syncFolder(parent);
}

/** Makes `path`; a folder that is there already is success (two processes may begin at once). */
export async function makeFolder(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.makeFolder(path);
  } catch (error) {
    if ((await fs.info(path))?.kind !== "folder") throw error;
  }
}
