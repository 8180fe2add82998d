/**
 * Weights that were saved in several files ("shards") beside an index that says which tensor is in which: joined into
 * the one file that they would have been. Layout: `model.safetensors.index.json` of Hugging Face, an object with
 * `weight_map` (https://huggingface.co/docs/safetensors).
 */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { headerBytes, readSafetensorsHeader } from "./safetensors.ts";

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

/**
 * One file of all shards, header first; `allocate` says where it lies. Every header is checked as that of a single file
 * is, and every tensor must be in the shard that the index names.
 * @throws WEIGHTS_INVALID
 */
export function joinShards(
  { files, fileOf }: ShardIndex,
  shards: ReadonlyMap<string, Uint8Array>,
  allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes),
): Uint8Array {
  const fields: { name: string; dtype: string; shape: readonly number[]; begin: number; end: number }[] = [];
  const parts: Uint8Array[] = [];
  const found = new Set<string>();
  let at = 0;
  for (const file of files) {
    const bytes = shards.get(file);
    if (bytes === undefined) throw wrong(`the folder has no ${file}`);
    const { entries, unread, dataStart } = readSafetensorsHeader(bytes, { name: file });
    for (const [name, { stored, shape, begin, end }] of [...entries, ...unread]) {
      if (fileOf.get(name) !== file)
        throw wrong(`tensor "${name}" is in ${file}, and the index says ${fileOf.get(name) ?? "nothing of it"}`, name);
      found.add(name);
      fields.push({ name, dtype: stored, shape, begin: at + begin, end: at + end });
    }
    parts.push(bytes.subarray(dataStart));
    at += bytes.length - dataStart;
  }
  const lost = [...fileOf.keys()].find((name) => !found.has(name));
  if (lost !== undefined) throw wrong(`tensor "${lost}" is not in ${fileOf.get(lost)}, where the index has it`, lost);
  const header = headerBytes(fields, { format: "pt" });
  const whole = allocate(header.length + at);
  whole.set(header);
  let to = header.length;
  for (const part of parts) {
    whole.set(part, to);
    to += part.length;
  }
  return whole;
}

function wrong(why: string, tensor?: string): LockstepError {
  return new LockstepError(
    "WEIGHTS_INVALID",
    `the weights in shards (${SHARD_INDEX}) cannot be read: ${why}; fetch the folder again`,
    tensor === undefined ? {} : { tensor },
  );
}
