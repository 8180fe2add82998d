/**
 * A model folder in the Hugging Face layout that somebody else made. It is not trusted: only files with known names are
 * read, each under a size limit, and no link is followed, so nothing outside the folder can end up in a version. What
 * the files say is judged by those who parse them.
 */
import { join } from "node:path";
import { formatBytes, isLockstepError, LockstepError, type ErrorCode } from "../../base/index.ts";
import { onDisk } from "./disk-errors.ts";
import { hashOf } from "./durable.ts";
import type { FileInfo, FileSystem } from "./file-system.ts";
import { makeManifest, type FileDigest } from "./manifest.ts";
import { codeOf, nodeFileSystem } from "./node-file-system.ts";
import type { Allocate, LoadedVersion } from "./version-folder.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** The weights: read last, after `beforeWeights` has seen everything else. */
const WEIGHTS = "model.safetensors";

/** The files that are read, and the most bytes that each may have. Smaller files come first. */
const KNOWN_FILES: ReadonlyMap<string, number> = new Map([
  ["config.json", MIB],
  ["generation_config.json", MIB],
  ["special_tokens_map.json", MIB],
  ["added_tokens.json", 4 * MIB],
  ["tokenizer_config.json", 8 * MIB],
  ["chat_template.jinja", MIB],
  ["modules.json", 64 * KIB],
  ["sentence_bert_config.json", 64 * KIB],
  ["config_sentence_transformers.json", 64 * KIB],
  ["1_Pooling/config.json", 64 * KIB],
  ["lockstep.json", 16 * MIB],
  ["vocab.txt", 64 * MIB],
  ["vocab.json", 64 * MIB],
  ["merges.txt", 64 * MIB],
  ["tokenizer.json", 64 * MIB],
  [WEIGHTS, 16 * GIB],
]);

const MAX_ENTRIES = 1_000;

export interface OpenFolderOptions {
  readonly fs?: FileSystem;
  readonly allocate?: Allocate;
  /**
   * Sees every file but the weights, and how many bytes the weights have, before memory for them is taken; throws to
   * refuse.
   */
  readonly beforeWeights?: (files: ReadonlyMap<string, Uint8Array>, weightBytes: number) => void;
  /** Most bytes of model.safetensors. @default 16 GiB */
  readonly maxWeightBytes?: number;
}

export interface ForeignFolder extends LoadedVersion {
  /** Names in the folder that were passed over, sorted. */
  readonly ignored: readonly string[];
}

/**
 * Reads a folder. Its `name` is the one that a version with exactly these files would have. NOT_FOUND when it is no
 * model folder, MODEL_INVALID for links and things that are not files, INPUT_TOO_LARGE beyond a limit.
 */
export async function openFolder(folder: string, options: OpenFolderOptions = {}): Promise<ForeignFolder> {
  const fs = options.fs ?? nodeFileSystem;
  const present = await listFolder(fs, folder);
  const files = new Map<string, Uint8Array>();
  const digests = new Map<string, FileDigest>();
  for (const [name, limit] of KNOWN_FILES) {
    if (!(await isThere(fs, folder, name, present))) continue;
    const most = name === WEIGHTS ? (options.maxWeightBytes ?? limit) : limit;
    const bytes = await readForeign(
      fs,
      folder,
      name,
      (info) => {
        requirePlainFile(folder, name, info, most);
        if (name === WEIGHTS) options.beforeWeights?.(files, info.bytes);
      },
      options.allocate,
    );
    files.set(name, bytes);
    digests.set(name, { sha256: await hashOf(bytes), bytes: bytes.length });
  }
  const known = new Set([...KNOWN_FILES.keys()].map((name) => name.split("/")[0]));
  return { name: makeManifest(digests).name, files, ignored: present.filter((name) => !known.has(name)) };
}

async function listFolder(fs: FileSystem, folder: string): Promise<string[]> {
  const names = await orNotFound(folder, () => fs.list(folder, MAX_ENTRIES));
  if (names.length > MAX_ENTRIES)
    throw refuse(
      "INPUT_TOO_LARGE",
      folder,
      ".",
      `it has more than ${MAX_ENTRIES} entries, so it is not a model folder`,
    );
  if (names.includes("config.json")) return names;
  const advice =
    names.includes("versions") && names.includes("aliases")
      ? "it is a store: name one of its versions (see `lockstep ls`)"
      : "a model folder has config.json, model.safetensors and tokenizer.json";
  throw refuse("NOT_FOUND", folder, ".", `there is no config.json in it; ${advice}`);
}

/** Also looks at a folder on the way, which must not be a link either. */
async function isThere(fs: FileSystem, folder: string, name: string, present: readonly string[]): Promise<boolean> {
  const [first = name, rest] = name.split("/");
  if (!present.includes(first)) return false;
  if (rest === undefined) return true;
  const kind = (await onDisk("look at", join(folder, first), () => fs.info(join(folder, first))))?.kind;
  if (kind === "link")
    throw refuse("MODEL_INVALID", folder, first, "it is a symbolic link; copy the files themselves (cp -rL)");
  return kind === "folder" && (await fs.info(join(folder, name))) !== undefined;
}

function requirePlainFile(folder: string, name: string, info: FileInfo, limit: number): void {
  if (info.kind !== "file")
    throw refuse("MODEL_INVALID", folder, name, `it is ${info.kind === "folder" ? "a folder" : "not a regular file"}`);
  if (info.links > 1)
    throw refuse(
      "MODEL_INVALID",
      folder,
      name,
      `it is a hard link (${info.links} names), which may belong to something outside the folder; copy the ` +
        "files themselves (cp -r)",
    );
  if (info.bytes > limit)
    throw refuse(
      "INPUT_TOO_LARGE",
      folder,
      name,
      `it has ${formatBytes(info.bytes)}; the limit is ${formatBytes(limit)}`,
    );
}

async function readForeign(
  fs: FileSystem,
  folder: string,
  name: string,
  inspect: (info: FileInfo) => void,
  allocate?: Allocate,
): Promise<Uint8Array> {
  const path = join(folder, name);
  try {
    return await onDisk("read", path, () =>
      fs.readFile(path, {
        inspect,
        ...(allocate === undefined ? {} : { allocate: (bytes: number) => allocate(name, bytes) }),
      }),
    );
  } catch (error) {
    const code = codeOf(isLockstepError(error) ? error.cause : error);
    if (code === "ELOOP")
      throw refuse("MODEL_INVALID", folder, name, "it is a symbolic link; copy the files themselves (cp -rL)");
    if (code === "ENXIO") throw refuse("MODEL_INVALID", folder, name, "it is not a regular file");
    throw error;
  }
}

async function orNotFound(folder: string, list: () => Promise<string[]>): Promise<string[]> {
  try {
    return await list();
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") throw refuse("NOT_FOUND", folder, ".", "there is no such folder");
    if (code === "ENOTDIR") throw refuse("NOT_FOUND", folder, ".", "it is not a folder");
    return await onDisk("read", folder, () => Promise.reject(error));
  }
}

function refuse(code: ErrorCode, folder: string, file: string, why: string): LockstepError {
  return new LockstepError(code, `${file === "." ? folder : join(folder, file)} cannot be used as a model: ${why}`, {
    folder,
    file,
  });
}
