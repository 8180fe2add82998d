/**
 * The key that whatever changes state needs. It lies in a file that only its owner can read, so whoever can read it
 * could change the store directly as well; a web page cannot.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { constants, existsSync } from "node:fs";
import { link, open, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { LockstepError, makeFolder } from "../../base/index.ts";

const OTHERS = 0o077;
const MIN_LENGTH = 32;
/** A row of one character, or of two in turn, is no secret. A random key of 32 hexadecimal digits has about 14. */
const MIN_DIFFERENT = 8;
/** What a client can send in a header as it is. */
const HEADER_SAFE = /^[\x21-\x7e]+$/;

/** Reads the key, or makes the file with a new one. Refuses a link, a file that others may read, and a short key. */
export async function loadKey(path: string): Promise<string> {
  await createKey(path);
  // Opening a FIFO would wait for its writer; Windows has neither flag.
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  const file = await open(path, flags).catch((error: unknown) => {
    throw new LockstepError(
      "OPTION_INVALID",
      `the key file ${path} cannot be opened, or is a link`,
      { path },
      { cause: error },
    );
  });
  try {
    const info = await file.stat();
    const { mode, size } = info;
    if (!info.isFile())
      throw new LockstepError("OPTION_INVALID", `the key file ${path} is no plain file: name another`, { path });
    if (process.platform !== "win32" && (mode & OTHERS) !== 0) {
      throw new LockstepError("OPTION_INVALID", `others may read the key file ${path}: run chmod 600 on it`, { path });
    }
    const key = size > 4096 ? "" : (await file.readFile("latin1")).trim();
    if (key.length < MIN_LENGTH || !HEADER_SAFE.test(key) || new Set(key).size < MIN_DIFFERENT) {
      throw new LockstepError(
        "OPTION_INVALID",
        `the key file ${path} has no key of at least ${MIN_LENGTH} visible ASCII characters, ${MIN_DIFFERENT} of ` +
          "them different: delete it and a new one is made",
        { path },
      );
    }
    return key;
  } finally {
    await file.close();
  }
}

/** Makes the file whole, under another name first: of two servers that start at once, both read the same key. */
async function createKey(path: string): Promise<void> {
  if (existsSync(path)) return;
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  const cannot = (cause: unknown) =>
    new LockstepError("OPTION_INVALID", `the key file ${path} cannot be made`, { path }, { cause });
  makeFolder(dirname(path), 0o700);
  try {
    await writeFile(temporary, `${randomBytes(32).toString("base64url")}\n`, { flag: "wx", mode: 0o600, flush: true });
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return; // The other one was first.
    throw cannot(error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Throws UNAUTHORIZED unless `authorization` is `Bearer KEY`. Compares digests, in constant time. */
export function checkKey(authorization: string | undefined, key: string): void {
  const given = /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? "";
  if (!timingSafeEqual(digest(given), digest(key))) {
    throw new LockstepError(
      "UNAUTHORIZED",
      "this needs the server's key: send `Authorization: Bearer KEY` with what is in its key file",
    );
  }
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
