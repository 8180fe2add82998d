/** The production FileSystem, over node:fs. */
import { constants, type Stats } from "node:fs";
import { lstat, mkdir, open, opendir, readlink, realpath, rename, rm, type FileHandle } from "node:fs/promises";
import { lockFile, shareFile, tryLockFile } from "./file-lock.ts";
import type { FileInfo, FileSystem, NewFile, ReadOptions } from "./file-system.ts";

/** Read in pieces: one read call takes at most 2 GiB. */
const PIECE = 16 * 1024 * 1024;

/** A link is not followed, and opening a FIFO does not wait for its writer. Windows has neither flag. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

export const nodeFileSystem: FileSystem = Object.freeze({
  async createFile(path: string): Promise<NewFile> {
    const handle = await open(path, "wx", 0o644);
    return {
      write: (bytes) => writeAll(handle, bytes),
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },

  async makeFolder(path: string): Promise<void> {
    await mkdir(path);
  },

  rename,

  async remove(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true });
  },

  async syncFolder(path: string): Promise<void> {
    // Windows cannot open a folder for this; its file systems journal names by themselves.
    if (process.platform === "win32") return;
    await using handle = await open(path, constants.O_RDONLY);
    await handle.sync();
  },

  async info(path: string): Promise<FileInfo | undefined> {
    try {
      return infoOf(await lstat(path));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },

  async list(path: string, limit: number): Promise<string[]> {
    const names: string[] = [];
    for await (const entry of await opendir(path)) {
      names.push(entry.name);
      if (names.length > limit) break;
    }
    return names.sort();
  },

  readLink: (path: string) => readlink(path),
  realPath: (path: string) => realpath(path),

  async readFile(path: string, options: ReadOptions = {}): Promise<Uint8Array> {
    await using handle = await open(path, READ_FLAGS);
    const info = infoOf(await handle.stat());
    options.inspect?.(info);
    const { begin, end } = options.part ?? { begin: 0, end: info.bytes };
    const bytes = options.allocate?.(end - begin) ?? new Uint8Array(end - begin);
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await handle.read(bytes, at, Math.min(PIECE, bytes.length - at), begin + at);
      if (bytesRead === 0)
        throw Object.assign(new Error(`the file became shorter while it was read: ${path}`), { code: "EIO" });
      at += bytesRead;
    }
    return bytes;
  },

  lock: lockFile,
  share: shareFile,
  tryLock: tryLockFile,
});

/** True for "there is nothing of that name" (also when a parent is a file). */
export function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** The system's error code, such as ENOSPC; undefined for anything else. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  // A full disk may take part of a write and only fail the next one.
  for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten;
}

function infoOf(stats: Stats): FileInfo {
  const kind = stats.isFile() ? "file" : stats.isDirectory() ? "folder" : stats.isSymbolicLink() ? "link" : "other";
  return { kind, bytes: stats.size, links: stats.nlink, modified: stats.mtimeMs };
}
