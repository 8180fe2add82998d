/**
 * The newest head of each log, kept outside it: in a folder of the user's own state, one file a log, named by the log's
 * path. Who can write to the log alone cannot shorten, rewrite or remove it unseen.
 *
 * A file is 512 bytes that are written over in place after each group (a killed process has written them or not; they
 * lie in one sector, so that a power cut leaves the old or the new ones), then what does not change. It is not synced
 * each time: after a power cut it may lag behind the log, and lagging claims less, never more.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { canonicalJson, LockstepError, makeFolder, sha256Hex } from "../../base/index.ts";
import { syncFolder, writeSynced } from "./files.ts";
import { GENESIS } from "./receipt.ts";

const HEAD_BYTES = 512;
const hex = z.string().regex(/^[0-9a-f]{64}$/);

const headSchema = z.strictObject({
  /** Receipts. */
  count: z.int().min(0),
  /** Hash of the last. */
  head: hex,
  /** Hash of the first: which log it is. */
  first: hex,
  /** Format of the log. */
  format: z.union([z.literal(1), z.literal(2)]),
});

const placeSchema = z.strictObject({
  kept: z.literal("lockstep-audit-kept-head-1"),
  path: z.string(),
  /** The folder that the log lies in: another one at the same path is another store. */
  folder: z.string(),
});

export type KeptHead = Readonly<z.output<typeof headSchema>>;

export interface KeptRecord extends KeptHead {
  /** The file that has it. */
  readonly file: string;
  /** Where the log was. */
  readonly path: string;
  readonly folder: string;
}

export const NO_RECEIPTS: KeptHead = { count: 0, head: GENESIS, first: GENESIS, format: 2 };

/** What is kept of the log at `path`, whether or not there is one now. LOG_CORRUPT when the file is damaged. */
export function readKeptHead(folder: string, path: string): KeptRecord | undefined {
  const file = fileOf(folder, path);
  return existsSync(file) ? readRecord(file) : undefined;
}

/** What is kept of the same log (the same first receipt) at other paths. */
export function otherPlaces(folder: string, path: string, first: string): readonly KeptRecord[] {
  if (!existsSync(folder)) return [];
  const own = fileOf(folder, path);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".head"))
    .map((name) => join(folder, name))
    .filter((file) => file !== own)
    .map(readRecord)
    .filter((record) => record.first === first);
}

/** What a log of this path was before another began there: kept, so that nobody says that it never was. */
export function setAside(record: KeptRecord): string {
  const file = `${record.file.slice(0, -".head".length)}.${record.first.slice(0, 16)}.gone`;
  renameSync(record.file, file);
  syncFolder(dirname(file));
  return file;
}

export function forget(record: KeptRecord): void {
  rmSync(record.file, { force: true });
}

/** The folder that a log lies in, by identity: another one that was made at its path later is not the same. */
export function folderIdentity(path: string): string {
  const { ino, birthtimeNs } = statSync(dirname(resolve(path)), { bigint: true });
  return `${ino}-${birthtimeNs}`;
}

/** Writes the newest head of one log. The caller holds the log's write lock. */
export class HeadKeeper implements Disposable {
  readonly #folder: string;
  readonly #path: string;
  #file: number | undefined;
  /** What this process wrote last: found again, it need not be read. */
  #written: Uint8Array = Buffer.alloc(0);

  constructor(folder: string, path: string) {
    this.#folder = folder;
    this.#path = path;
  }

  /** A head that covers fewer receipts than the one that is kept is passed over: another process was faster. */
  keep(head: KeptHead): void {
    const bytes = encode(head);
    const file = this.#open(bytes);
    if (!readBytes(file).equals(this.#written)) {
      const kept = readHead(file, fileOf(this.#folder, this.#path));
      if (kept.count > head.count || (kept.count === head.count && kept.format === head.format)) return;
    }
    writeSync(file, bytes, 0, bytes.length, 0);
    this.#written = bytes;
  }

  /** The file may have been removed meanwhile, deliberately or not; the log's newest head is kept all the same. */
  #open(bytes: Uint8Array): number {
    if (this.#file !== undefined && fstatSync(this.#file).nlink > 0) return this.#file;
    this[Symbol.dispose]();
    const path = fileOf(this.#folder, this.#path);
    if (!existsSync(path)) {
      makeFolder(this.#folder, 0o700);
      const place = {
        kept: "lockstep-audit-kept-head-1",
        path: placeOf(this.#path),
        folder: folderIdentity(this.#path),
      };
      writeSynced(`${path}.tmp`, `${Buffer.from(bytes).toString()}${canonicalJson(place)}\n`, "w", 0o600);
      renameSync(`${path}.tmp`, path);
      syncFolder(this.#folder);
    }
    this.#file = openSync(path, "r+");
    return this.#file;
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

function encode(head: KeptHead): Uint8Array {
  const text = canonicalJson(head);
  return Buffer.from(`${`${sha256Hex(text).slice(0, 16)} ${text}`.padEnd(HEAD_BYTES - 1)}\n`);
}

function readRecord(file: string): KeptRecord {
  const descriptor = openSync(file, "r");
  try {
    const head = readHead(descriptor, file);
    const place = placeSchema.safeParse(parseJson(readFileSync(file, "utf8").slice(HEAD_BYTES)));
    if (!place.success) throw damaged(file);
    return { ...head, file, path: place.data.path, folder: place.data.folder };
  } finally {
    closeSync(descriptor);
  }
}

function readHead(descriptor: number, file: string): KeptHead {
  // A writer of another process may be in the middle of it: then the check does not fit, and a moment later it does.
  for (let attempt = 0; attempt < 3; attempt++) {
    const [check = "", text = ""] =
      /^([0-9a-f]{16}) (.*)$/s.exec(readBytes(descriptor).toString().trimEnd())?.slice(1) ?? [];
    const parsed = headSchema.safeParse(parseJson(text));
    if (parsed.success && sha256Hex(text).startsWith(check) && check !== "") return parsed.data;
  }
  throw damaged(file);
}

function readBytes(descriptor: number): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES);
  readSync(descriptor, bytes, 0, HEAD_BYTES, 0);
  return bytes;
}

function damaged(file: string): LockstepError {
  return new LockstepError(
    "LOG_CORRUPT",
    `${file}, where the newest head of an audit log is kept, is damaged; restore it from a copy, or remove it to ` +
      "trust the log as it is",
    { file },
  );
}

function fileOf(folder: string, path: string): string {
  return join(folder, `${sha256Hex(placeOf(path)).slice(0, 32)}.head`);
}

/** One name for one place, whichever links lead to it. */
function placeOf(path: string): string {
  const absolute = resolve(path);
  if (existsSync(absolute)) return realpathSync(absolute);
  const folder = dirname(absolute);
  return join(existsSync(folder) ? realpathSync(folder) : folder, basename(absolute));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no head, says the schema
  }
}
