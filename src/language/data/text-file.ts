/**
 * A file as strictly decoded UTF-8 text in pieces, hashed on the way. Binary garbage is refused with the offset of its
 * first bad byte: a lenient decoder would put U+FFFD into the training data in silence.
 */
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { LockstepError, formatBytes } from "../../base/index.ts";

export interface FileFacts {
  /** SHA-256 of all bytes, in hex; complete once every piece was read. */
  sha256: string;
  bytes: number;
}

const CHUNK = 1 << 20;

/**
 * Throws NOT_FOUND, INPUT_TOO_LARGE or DATA_INVALID; fills `facts` when it comes to the end. A byte order mark is left
 * out.
 */
export async function* readText(path: string, maxBytes: number, facts: FileFacts): AsyncGenerator<string> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw new LockstepError(
      error.code === "ENOENT" || error.code === "ENOTDIR" ? "NOT_FOUND" : "DATA_INVALID",
      `cannot open ${path}: ${error.code === "ENOENT" ? "no such file" : error.message}`,
      { path },
      { cause: error },
    );
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile() && !stat.isFIFO()) throw new LockstepError("DATA_INVALID", `${path} is not a file`, { path });
    if (stat.size > maxBytes) throw tooLarge(path, maxBytes);
    const hash = createHash("sha256");
    let rest: Buffer = Buffer.alloc(0);
    let read = 0; // bytes before `rest` and the new chunk
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, null);
      const chunk = buffer.subarray(0, bytesRead);
      hash.update(chunk);
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      if (read + bytes.length > maxBytes) throw tooLarge(path, maxBytes);
      const end = bytesRead === 0 ? bytes.length : completeEnd(bytes);
      const whole = bytes.subarray(0, end);
      checkBytes(whole, read, path);
      const text = whole.toString("utf8");
      if (text !== "") yield read === 0 && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
      rest = bytes.subarray(end);
      read += end;
      if (bytesRead === 0) break;
    }
    facts.sha256 = hash.digest("hex");
    facts.bytes = read;
  } finally {
    await file.close();
  }
}

function tooLarge(path: string, maxBytes: number): LockstepError {
  return new LockstepError("INPUT_TOO_LARGE", `${path} is larger than ${formatBytes(maxBytes)}; split it`, {
    path,
    maxFileBytes: maxBytes,
  });
}

/** Where the last whole character ends: a sequence cut by the chunk's end waits for the next chunk. */
function completeEnd(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function checkBytes(bytes: Buffer, offset: number, path: string): void {
  if (!isUtf8(bytes)) {
    const at = firstInvalid(bytes);
    const [a, b] = [bytes[0], bytes[1]];
    const utf16 = offset === 0 && ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff));
    throw new LockstepError(
      "DATA_INVALID",
      `${path} is not UTF-8: byte ${offset + at} (0x${(bytes[at] as number).toString(16).padStart(2, "0")}) ` +
        `${utf16 ? "begins a UTF-16 file" : "does not belong there"}; save the file as UTF-8`,
      { path, offset: offset + at },
    );
  }
  const zero = bytes.indexOf(0);
  if (zero >= 0)
    throw new LockstepError(
      "DATA_INVALID",
      `${path} is not a text file: byte ${offset + zero} is zero; give CSV or JSON lines in UTF-8`,
      { path, offset: offset + zero },
    );
}

/**
 * Start of the first sequence that is not UTF-8, by halving: a prefix that ends between characters is valid up to
 * there.
 */
function firstInvalid(bytes: Buffer): number {
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 64) {
    const middle = good + ((bad - good) >> 1);
    const end = good + completeEnd(bytes.subarray(good, middle));
    if (end > good && isUtf8(bytes.subarray(good, end))) good = end;
    else bad = middle;
  }
  while (good < bytes.length) {
    const length = [1, 2, 3, 4].find(
      (size) => good + size <= bytes.length && isUtf8(bytes.subarray(good, good + size)),
    );
    if (length === undefined) return good;
    good += length;
  }
  return good;
}
