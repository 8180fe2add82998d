/**
 * A model folder in the Hugging Face layout that somebody else made. It is not trusted: only files with known names are
 * read, each under a size limit, and no link is followed, so nothing outside the folder can end up in a version. The
 * one exception is the cache of the Hugging Face Hub, whose snapshots are links to the files in `blobs` beside them:
 * such a link is followed where it ends in that very folder. What the files say is judged by those who parse them.
 */
import { basename, dirname, join, resolve } from "node:path";
import { CONFIG_BYTES, formatBytes, isLockstepError, LockstepError, type ErrorCode } from "../../base/index.ts";
import {
  isShard,
  joinShards,
  parseShardIndex,
  readShard,
  SHARD_INDEX,
  shardHeaderEnd,
  type Shard,
  type ShardIndex,
} from "../../numeric/tensor/index.ts";
import { onDisk } from "./disk-errors.ts";
import { hashOf } from "./durable.ts";
import type { FileInfo, FileSystem, ReadOptions } from "./file-system.ts";
import { makeManifest, type FileDigest } from "./manifest.ts";
import { codeOf, nodeFileSystem } from "./node-file-system.ts";
import type { Allocate, NamedFiles } from "./version-folder.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** The weights, whole or (beside an index) in shards: read last, after `beforeWeights` has seen everything else. */
const WEIGHTS = "model.safetensors";
const WEIGHT_BYTES = 16 * GIB;
const INDEX_BYTES = 16 * MIB;

/** Weights in forms that are not read. */
const OTHER_WEIGHTS =
  /^(pytorch_model.*\.(bin|json)|tf_model\.h5|flax_model\.msgpack|model.*\.(onnx|gguf)|.*\.ckpt.*)$/;

/** The other files that are read, and the most bytes that each may have. */
const KNOWN_FILES: ReadonlyMap<string, number> = new Map([
  ["config.json", CONFIG_BYTES],
  ["generation_config.json", MIB],
  ["special_tokens_map.json", MIB],
  ["added_tokens.json", 4 * MIB],
  ["tokenizer_config.json", 8 * MIB],
  ["chat_template.jinja", MIB],
  ["modules.json", 64 * KIB],
  ["sentence_bert_config.json", 64 * KIB],
  ["config_sentence_transformers.json", 64 * KIB],
  ["1_Pooling/config.json", 64 * KIB],
  ["lockstep.json", CONFIG_BYTES],
  ["vocab.txt", 64 * MIB],
  ["vocab.json", 64 * MIB],
  ["merges.txt", 64 * MIB],
  ["tokenizer.json", 64 * MIB],
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
  /** Most bytes of the weights, all shards together. @default 16 GiB */
  readonly maxWeightBytes?: number;
}

export interface ForeignFolder extends NamedFiles {
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
  const theirs: Folder = { fs, folder, present, allocate: options.allocate };
  const files = new Map<string, Uint8Array>();
  for (const [name, limit] of KNOWN_FILES) {
    const bytes = await readKnown(theirs, name, limit);
    if (bytes !== undefined) files.set(name, bytes);
  }
  const weights = await readWeights(theirs, files, options);
  if (weights !== undefined) files.set(WEIGHTS, weights);
  const digests = new Map<string, FileDigest>();
  for (const [name, bytes] of files) digests.set(name, { sha256: await hashOf(bytes), bytes: bytes.length });
  const known = new Set([...KNOWN_FILES.keys(), WEIGHTS, SHARD_INDEX].map((name) => name.split("/")[0]));
  return {
    name: makeManifest(digests).name,
    files,
    ignored: present.filter((name) => !known.has(name) && !isShard(name)),
  };
}

interface Folder {
  readonly fs: FileSystem;
  readonly folder: string;
  /** Names in it. */
  readonly present: readonly string[];
  readonly allocate: Allocate | undefined;
}

/** Undefined where the folder has no such file. `inspect` sees how large it is before memory is taken. */
async function readKnown(
  theirs: Folder,
  name: string,
  limit: number,
  inspect: (info: FileInfo) => void = () => undefined,
): Promise<Uint8Array | undefined> {
  const { folder } = theirs;
  const path = await locate(theirs, name);
  if (path === undefined) return undefined;
  return await readForeign(theirs, name, path, (info) => {
    requirePlainFile(folder, name, info, limit);
    inspect(info);
  });
}

/** The weights as one file, whatever they are stored as. */
async function readWeights(
  theirs: Folder,
  files: ReadonlyMap<string, Uint8Array>,
  { beforeWeights, maxWeightBytes = WEIGHT_BYTES }: OpenFolderOptions,
): Promise<Uint8Array | undefined> {
  const { folder, present } = theirs;
  const whole = await readKnown(theirs, WEIGHTS, maxWeightBytes, ({ bytes }) => beforeWeights?.(files, bytes));
  if (whole !== undefined) return whole;
  const indexBytes = await readKnown({ ...theirs, allocate: undefined }, SHARD_INDEX, INDEX_BYTES);
  if (indexBytes === undefined) {
    const other = present.find((name) => OTHER_WEIGHTS.test(name));
    if (other === undefined) return undefined;
    throw refuse(
      "MODEL_INVALID",
      folder,
      ".",
      other.endsWith(".gguf")
        ? `it has no ${WEIGHTS}; to use ${other}, name that file itself`
        : `it has no ${WEIGHTS}, and ${other} is not read; write it again with transformers: ` +
            `model.save_pretrained(folder, safe_serialization=True)`,
    );
  }
  const index = parseShardIndex(indexBytes);
  const sizes = await shardSizes(theirs, index, maxWeightBytes);
  beforeWeights?.(
    files,
    [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0),
  );
  return await readShards(theirs, index, sizes);
}

/** Bytes of each shard that the index names. */
async function shardSizes(theirs: Folder, index: ShardIndex, most: number): Promise<ReadonlyMap<string, number>> {
  const { fs, folder } = theirs;
  const sizes = new Map<string, number>();
  for (const name of index.files) {
    const path = await locate(theirs, name);
    if (path === undefined)
      throw refuse("MODEL_INVALID", folder, name, `it is missing, and ${SHARD_INDEX} names it; fetch the folder again`);
    sizes.set(name, (await onDisk("look at", path, () => fs.info(path)))?.bytes ?? 0);
  }
  const total = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  if (total > most)
    throw refuse(
      "INPUT_TOO_LARGE",
      folder,
      SHARD_INDEX,
      `its shards have ${formatBytes(total)}; the limit is ${formatBytes(most)}`,
    );
  return sizes;
}

/** Headers first, then each shard's data straight into its place: no byte is in memory twice. */
async function readShards(theirs: Folder, index: ShardIndex, sizes: ReadonlyMap<string, number>): Promise<Uint8Array> {
  const shards = new Map<string, Shard>();
  for (const [name, size] of sizes) {
    const first = await readPart(theirs, name, { begin: 0, end: Math.min(8, size) });
    const end = shardHeaderEnd(name, first, size);
    shards.set(name, readShard(index, name, await readPart(theirs, name, { begin: 0, end }), size));
  }
  const { header, bytes, parts } = joinShards(index, shards);
  const whole = theirs.allocate === undefined ? new Uint8Array(bytes) : theirs.allocate(WEIGHTS, bytes);
  whole.set(header);
  for (const { file, begin, end, to } of parts)
    await readPart(theirs, file, { begin, end }, () => whole.subarray(to, to + end - begin));
  return whole;
}

/** Bytes of a shard that was looked at. */
async function readPart(
  theirs: Folder,
  name: string,
  part: NonNullable<ReadOptions["part"]>,
  allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes),
): Promise<Uint8Array> {
  const { folder } = theirs;
  const path = (await locate(theirs, name)) ?? join(folder, name);
  const inspect = (info: FileInfo): void => {
    requirePlainFile(folder, name, info, Infinity);
  };
  return await readForeign({ ...theirs, allocate: (_, bytes) => allocate(bytes) }, name, path, inspect, part);
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
  const gguf = names.find((name) => name.toLowerCase().endsWith(".gguf"));
  const advice =
    gguf !== undefined
      ? `to use the GGUF file in it, name the file: ${join(folder, gguf)}`
      : names.includes("versions") && names.includes("aliases")
        ? "it is a store: name one of its versions (see `lockstep ls`)"
        : names.includes("snapshots") && names.includes("blobs")
          ? `it is a folder of the Hub's cache: name one of its snapshots, ${join(folder, "snapshots")}/…`
          : "a model folder has config.json, model.safetensors and tokenizer.json";
  throw refuse("NOT_FOUND", folder, ".", `there is no config.json in it; ${advice}`);
}

/**
 * Where a file is to be read; undefined when it is not there. Also looks at a folder on the way, which must not be a
 * link, and at a link of the Hub's cache.
 */
async function locate({ fs, folder, present }: Folder, name: string): Promise<string | undefined> {
  const [first = name, rest] = name.split("/");
  if (!present.includes(first)) return undefined;
  const infoOf = (path: string) => onDisk("look at", path, () => fs.info(path));
  if (rest !== undefined) {
    const kind = (await infoOf(join(folder, first)))?.kind;
    if (kind === "link") throw refuse("MODEL_INVALID", folder, first, LINK);
    if (kind !== "folder") return undefined;
  }
  const path = join(folder, name);
  const kind = (await infoOf(path))?.kind;
  return kind === "link" ? await blobOf(fs, folder, name) : kind === undefined ? undefined : path;
}

const LINK = "it is a symbolic link; copy the files themselves (cp -rL)";

/**
 * The file that a link in a snapshot of the Hub's cache stands for: `…/snapshots/REVISION/NAME` → `…/blobs/HASH`.
 * Nothing else that a link may point to is taken, and the file itself must not be a link again.
 */
async function blobOf(fs: FileSystem, folder: string, name: string): Promise<string> {
  const real = await onDisk("look at", folder, () => fs.realPath(folder));
  const path = join(real, name);
  const target = resolve(dirname(path), await onDisk("read", path, () => fs.readLink(path)));
  const blobs = join(dirname(dirname(real)), "blobs");
  const inside =
    basename(dirname(real)) === "snapshots" &&
    dirname(target) === blobs &&
    (await onDisk("look at", blobs, () => fs.info(blobs)))?.kind === "folder";
  if (!inside) throw refuse("MODEL_INVALID", folder, name, LINK);
  return target;
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
  { fs, folder, allocate }: Folder,
  name: string,
  path: string,
  inspect: (info: FileInfo) => void,
  part?: ReadOptions["part"],
): Promise<Uint8Array> {
  try {
    return await onDisk("read", path, () =>
      fs.readFile(path, {
        inspect,
        ...(part === undefined ? {} : { part }),
        ...(allocate === undefined ? {} : { allocate: (bytes: number) => allocate(name, bytes) }),
      }),
    );
  } catch (error) {
    const code = codeOf(isLockstepError(error) ? error.cause : error);
    if (code === "ELOOP") throw refuse("MODEL_INVALID", folder, name, LINK);
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
