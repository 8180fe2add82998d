/**
 * Signed heads: "the chain had `count` receipts and ended with `head`", under an Ed25519 key that lives in a file of
 * its own, outside the log. Without the key nobody can shorten or rewrite a log unnoticed; without signatures a chain
 * shows corruption only.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
  type KeyObject,
} from "node:crypto";
import { closeSync, constants, existsSync, fstatSync, linkSync, openSync, readFileSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { canonicalJson, LockstepError, makeFolder } from "../../base/index.ts";
import { syncFolder, writeSynced } from "./files.ts";

/** One spelling: decoders pass over unused bits, white space and missing padding, so what is read is written again. */
const base64 = z
  .string()
  .refine((text) => Buffer.from(text, "base64").toString("base64") === text, "expected base64 as it is written");

/** `count` is 0 in the head file of a log that has been begun and has no receipt yet. */
export const signedHeadSchema = z.strictObject({
  count: z.int().min(0),
  head: z.string().regex(/^[0-9a-f]{64}$/),
  /** Time of the last receipt that it covers. */
  at: z.string(),
  /** The public key: SPKI, DER, base64. */
  key: base64,
  /** Ed25519, base64. */
  signature: base64,
});

export type LogFormat = 1 | 2;
export type SignedHead = Readonly<z.output<typeof signedHeadSchema>>;

export interface Signer {
  /** SPKI, DER, base64. */
  readonly key: string;
  sign(count: number, head: string, at: string): SignedHead;
}

/**
 * The signer with the private key in `path`; the key is made when there is none (mode 0600, and `<path>.pub` beside
 * it).
 */
export function openSigner(path: string): Signer {
  if (!existsSync(path)) createKey(path);
  const privateKey = readKey(path);
  const key = spki(createPublicKey(privateKey));
  return {
    key,
    sign: (count, head, at) => ({
      count,
      head,
      at,
      key,
      signature: sign(null, message(2, count, head, at), privateKey).toString("base64"),
    }),
  };
}

/**
 * The format of the log whose head was signed with the key that it names (1: heads now and then; 2: every group, and
 * erasures are receipts); undefined when the signature is wrong. The format is in what is signed, so that a log of
 * format 2 cannot be passed off as an older one, of which less is asked.
 */
export function signedFormat(head: SignedHead): LogFormat | undefined {
  try {
    const key = publicKey(head.key);
    if (spki(key) !== head.key) return undefined;
    const signature = Buffer.from(head.signature, "base64");
    return ([2, 1] as const).find((format) =>
      verify(null, message(format, head.count, head.head, head.at), key, signature),
    );
  } catch {
    return undefined; // the key is none
  }
}

/** A public key in either form (PEM, or SPKI DER in base64) as the latter. OPTION_INVALID when it is none. */
export function normalizeKey(text: string): string {
  try {
    return spki(text.includes("-----BEGIN") ? createPublicKey(text) : publicKey(text.trim()));
  } catch (error) {
    throw new LockstepError(
      "OPTION_INVALID",
      "the public key is neither PEM nor the base64 of its DER form",
      {},
      { cause: error },
    );
  }
}

function createKey(path: string): void {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  makeFolder(dirname(path));
  // A link to a finished file: another process that starts now sees the whole key or none, and the first one stays.
  const temporary = `${path}.${randomBytes(8).toString("hex")}`;
  writeSynced(temporary, privateKey.export({ format: "pem", type: "pkcs8" }).toString(), "wx", 0o600);
  try {
    linkSync(temporary, path);
  } catch (error) {
    if (existsSync(path)) return;
    throw new LockstepError(
      "DISK_FAILED",
      `could not create the signing key ${path}; check that its folder may be written to`,
      { path },
      { cause: error },
    );
  } finally {
    unlinkSync(temporary);
  }
  writeSynced(`${path}.pub`, publicKey.export({ format: "pem", type: "spki" }).toString(), "w", 0o644);
  syncFolder(dirname(path));
}

function readKey(path: string): KeyObject {
  // Opening a FIFO would wait for its writer. Windows has no such flag.
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const info = fstatSync(file);
    const { mode } = info;
    if (!info.isFile())
      throw new LockstepError("OPTION_INVALID", `the signing key ${path} is no plain file: name another`, { path });
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      throw new LockstepError(
        "FORBIDDEN",
        `the signing key ${path} may be read by others (mode ${(mode & 0o777).toString(8)}); run: chmod 600 ${path}`,
        { path },
      );
    }
    return privateKeyOf(readFileSync(file, "utf8"), path);
  } finally {
    closeSync(file);
  }
}

function privateKeyOf(pem: string, path: string): KeyObject {
  const refused = (cause?: unknown): LockstepError =>
    new LockstepError(
      "OPTION_INVALID",
      `${path} does not hold an Ed25519 private key in PEM form`,
      { path },
      { cause },
    );
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw refused(error);
  }
  if (key.asymmetricKeyType !== "ed25519") throw refused();
  return key;
}

function message(format: LogFormat, count: number, head: string, at: string): Buffer {
  return Buffer.from(canonicalJson({ format: `lockstep-audit-head-${format}`, count, head, at }));
}

function publicKey(base64: string): KeyObject {
  return createPublicKey({ key: Buffer.from(base64, "base64"), format: "der", type: "spki" });
}
function spki(key: KeyObject): string {
  return key.export({ format: "der", type: "spki" }).toString("base64");
}
