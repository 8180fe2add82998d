/**
 * Weights that were saved in several files ("shards") beside an index that says which tensor is in which: joined into
 * the one file that they would have been. Layout: `model.safetensors.index.json` of Hugging Face, an object with
 * `weight_map` (https://huggingface.co/docs/safetensors).
 */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { headerBytes, headerEnd, headerOf, type HeaderField } from "./safetensors.ts";

export const SHARD_INDEX = "model.safetensors.index.json";

const MAX_SHARDS = 512;

const SHARD = /^model-\d{5}-of-\d{5}\.safetensors$/;

export function isShard(file: string): boolean {
  return SHARD.test(file);
}

const indexShape = z.looseObject({
  weight_map: z.record(
    z.string().max(1000),
    z.string().regex(SHARD, "not the name of a shard (model-00001-of-00002.safetensors)"),
  ),
});

export interface ShardIndex {
  /** Names of the files, sorted. */
  readonly files: readonly string[];
  /** The file of each tensor. */
  readonly fileOf: ReadonlyMap<string, string>;
}

/** @throws WEIGHTS_INVALID: no index, or one that names what is no shard. */
export function parseShardIndex(bytes: Uint8Array): ShardIndex {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.slice()));
  } catch (thrown) {
    throw wrong(`it is not JSON in UTF-8 (${(thrown as Error).message})`);
  }
  const { weight_map: map } = parseOptions(indexShape, json, SHARD_INDEX, "WEIGHTS_INVALID");
  const fileOf = new Map(Object.entries(map));
  const files = [...new Set(fileOf.values())].sort();
  if (files.length === 0 || files.length > MAX_SHARDS)
    throw wrong(`it names ${files.length} files; from 1 to ${MAX_SHARDS} are read`);
  return { files, fileOf };
}

/** What one shard holds. */
export interface Shard {
  readonly fields: readonly HeaderField[];
  readonly dataStart: number;
  /** Bytes of the whole file. */
  readonly size: number;
}

/** Where a shard's header ends, from its first eight bytes. @throws WEIGHTS_INVALID */
export function shardHeaderEnd(file: string, first: Uint8Array, size: number): number {
  return headerEnd(file, first, size, {});
}

/**
 * A shard by its first bytes, up to the end of its header, which is checked as that of a single file is; every tensor
 * must be in the shard that the index names.
 * @throws WEIGHTS_INVALID
 */
export function readShard({ fileOf }: ShardIndex, file: string, first: Uint8Array, size: number): Shard {
  const source = { what: file, size, read: (begin: number, end: number) => first.subarray(begin, end) };
  const { entries, unread, dataStart } = headerOf(source, {});
  const fields = [...entries, ...unread].map(([name, { stored, shape, begin, end }]): HeaderField => {
    if (fileOf.get(name) !== file)
      throw wrong(`tensor "${name}" is in ${file}, and the index says ${fileOf.get(name) ?? "nothing of it"}`, name);
    return { name, dtype: stored, shape, begin, end };
  });
  return { fields, dataStart, size };
}

/** A file's bytes from `begin` to `end`, and where they go in the whole. */
export interface ShardPart {
  readonly file: string;
  readonly begin: number;
  readonly end: number;
  readonly to: number;
}

export interface JoinedShards {
  /** What the whole begins with. */
  readonly header: Uint8Array;
  /** Of the whole, header and data. */
  readonly bytes: number;
  readonly parts: readonly ShardPart[];
}

/** The one file that the shards would have been. @throws WEIGHTS_INVALID where a tensor of the index is in none */
export function joinShards({ files, fileOf }: ShardIndex, shards: ReadonlyMap<string, Shard>): JoinedShards {
  const fields: HeaderField[] = [];
  const parts: ShardPart[] = [];
  let at = 0;
  for (const file of files) {
    const shard = shards.get(file);
    if (shard === undefined) throw wrong(`the folder has no ${file}`);
    const { dataStart, size } = shard;
    for (const field of shard.fields) fields.push({ ...field, begin: at + field.begin, end: at + field.end });
    parts.push({ file, begin: dataStart, end: size, to: at });
    at += size - dataStart;
  }
  const found = new Set(fields.map(({ name }) => name));
  const lost = [...fileOf.keys()].find((name) => !found.has(name));
  if (lost !== undefined) throw wrong(`tensor "${lost}" is not in ${fileOf.get(lost)}, where the index has it`, lost);
  const header = headerBytes(fields, { format: "pt" });
  return {
    header,
    bytes: header.length + at,
    parts: parts.map((part) => ({ ...part, to: header.length + part.to })),
  };
}

function wrong(why: string, tensor?: string): LockstepError {
  return new LockstepError(
    "WEIGHTS_INVALID",
    `the weights in shards (${SHARD_INDEX}) cannot be read: ${why}; fetch the folder again`,
    tensor === undefined ? {} : { tensor },
  );
}
