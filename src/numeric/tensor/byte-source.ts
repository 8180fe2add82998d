/** Random access to a file or to bytes, so that the readers of weights treat both alike. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { LockstepError } from "../../base/index.ts";

export interface ByteSource {
  /** What messages call it. */
  readonly what: string;
  /** Bytes in all. */
  readonly size: number;
  /** The bytes from `begin` up to `end`: a view of bytes that were given, a copy of a file's. */
  read(begin: number, end: number): Uint8Array;
}

/** Makes the error of a file that does not hold what it should. */
export type Complaint = (what: string, reason: string) => LockstepError;

/** One read of the system is limited to 2 GiB. */
const PIECE = 0x4000_0000;

/**
 * A file by its path, open until it is disposed of; or bytes as they are, under `name`.
 * @throws NOT_FOUND or DISK_FAILED for a file that is missing or unreadable
 */
export function openBytes(source: string | Uint8Array, name: string, complain: Complaint): ByteSource & Disposable {
  if (typeof source !== "string")
    return {
      what: name,
      size: source.byteLength,
      read: (begin, end) => source.subarray(begin, end),
      [Symbol.dispose]: () => undefined,
    };
  const file = openFile(source);
  return {
    what: source,
    size: fstatSync(file).size,
    read: (begin, end) => readRange(source, file, begin, end, complain),
    [Symbol.dispose]: () => closeSync(file),
  };
}

function openFile(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new LockstepError(
      missing ? "NOT_FOUND" : "DISK_FAILED",
      missing ? `there is no file ${path}; check the path` : `${path} cannot be opened: ${(error as Error).message}`,
      { path },
      { cause: error },
    );
  }
}

function readRange(path: string, file: number, begin: number, end: number, complain: Complaint): Uint8Array {
  const bytes = new Uint8Array(end - begin);
  let done = 0;
  while (done < bytes.length) {
    const got = readSome(path, file, bytes.subarray(done, done + PIECE), begin + done);
    if (got === 0)
      throw complain(
        path,
        `it ended at byte ${begin + done} while it was read, before byte ${end}; something else is writing to it`,
      );
    done += got;
  }
  return bytes;
}

function readSome(path: string, file: number, into: Uint8Array, position: number): number {
  try {
    return readSync(file, into, 0, into.length, position);
  } catch (error) {
    throw new LockstepError(
      "DISK_FAILED",
      `${path} cannot be read: ${(error as Error).message}`,
      { path },
      { cause: error },
    );
  }
}
