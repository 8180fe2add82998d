/** The system's file errors as typed ones: what was being done, where, and what to do. */
import { isLockstepError, LockstepError } from "../../base/index.ts";
import { codeOf } from "./node-file-system.ts";

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: free some space and run it again",
  EDQUOT: "your disk quota is used up: free some space and run it again",
  EFBIG: "the file is larger than this file system or your limit (ulimit -f) allows",
  EROFS: "the file system is read-only: choose a folder that can be written to",
  EACCES: "permission denied: check the owner and mode of the folder",
  EPERM: "the operation is not permitted there: check the owner and mode of the folder",
  EIO: "the device reported an input/output error: check the disk",
  EMFILE: "too many open files: raise the limit (ulimit -n)",
  ENFILE: "the system has too many open files",
};

/** Runs `work`; a file error of the system becomes DISK_FAILED. Typed errors and programming errors pass unchanged. */
export async function onDisk<T>(doing: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskError(doing, path, error);
  }
}

export function diskError(doing: string, path: string, error: unknown): unknown {
  const code = codeOf(error);
  if (isLockstepError(error) || code === undefined || !/^E[A-Z0-9]+$/.test(code)) return error;
  const advice = ADVICE[code] ?? (error instanceof Error ? error.message : code);
  return new LockstepError(
    "DISK_FAILED",
    `could not ${doing} ${path} (${code}): ${advice}`,
    { path, code },
    { cause: error },
  );
}
