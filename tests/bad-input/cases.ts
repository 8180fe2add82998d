/** What is wrong with tables and folders from outside, and what is to be said about each. */
import { chmod, cp, link, mkdir, open, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ErrorCode } from "../../src/edge/api/index.ts";
import { ggufBytes, string, u32, type Entry, type Out } from "../tensor/gguf-writer.ts";
import { encodeSafetensors, readSafetensors, tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";

const row = (i: number): string => `is this question number ${i},${i % 2 === 0 ? "even" : "odd"}\n`;
const rows = (count: number): string => Array.from({ length: count }, (_, i) => row(i)).join("");

/** What, the file's contents, the code, and what the message must name. */
export const TABLES: readonly (readonly [string, string | Uint8Array, ErrorCode, RegExp])[] = [
  ["an empty file", "", "DATA_INVALID", /empty/],
  ["a header and no rows", "text,label\n", "DATA_INVALID", /header and no row/],
  ["no column of labels", `text,other\n${rows(20)}`, "DATA_INVALID", /none of the columns.*label.*"text", "other"/],
  ["no column of texts", `foo,label\n${rows(20)}`, "DATA_INVALID", /column.*text/],
  [
    "one class",
    `text,label\n${Array.from({ length: 20 }, (_, i) => `question ${i},same\n`).join("")}`,
    "DATA_INVALID",
    /20 rows have the label "same"/,
  ],
  [
    "binary garbage",
    Uint8Array.from({ length: 4096 }, (_, i) => (i * 7919 + (i >> 3)) & 255),
    "DATA_INVALID",
    /not UTF-8: byte \d+/,
  ],
  [
    "a cell of 10 MB",
    `text,label\n${rows(20)}${"x".repeat(10_000_000)},even\n`,
    "DATA_INVALID",
    /line 22 .*the cell has 9\.54 MiB/,
  ],
  [
    "invalid UTF-8",
    Buffer.concat([Buffer.from(`text,label\n${rows(20)}caf`), Buffer.from([0xe9]), Buffer.from(",even\n")]),
    "DATA_INVALID",
    /not UTF-8: byte 6\d\d/,
  ],
  ["a text that is missing", `text,label\n${rows(20)},even\n`, "DATA_INVALID", /line 22.*"text".*empty/],
  ["a row with too many cells", `text,label\n${rows(20)}well, hello,even\n`, "DATA_INVALID", /line 22.*3 cells/],
  ["a quote that is never closed", `text,label\n${rows(20)}"never closed,even\n${rows(20)}`, "DATA_INVALID", /quote/i],
  [
    "a label that no version can hold",
    `text,label\n${rows(20)}other,${"x".repeat(1500)}\n`,
    "DATA_INVALID",
    /line 22 .*1500 characters, at most 1000/,
  ],
  ["too few rows", `text,label\n${rows(4)}`, "DATA_INVALID", /at least 8/],
];

const WORDS = "bert.embeddings.word_embeddings.weight";

/** What, the change of a good folder, the code, and what the message must name. */
export const FOLDERS: readonly (readonly [string, (model: string) => Promise<void>, ErrorCode, RegExp])[] = [
  [
    "NaN in a weight",
    (model) =>
      changeTensors(model, (tensors) => {
        const { shape, data } = tensors.get(WORDS)!;
        tensors.set(
          WORDS,
          tensor(
            "float32",
            shape,
            Float32Array.from(data as Float32Array, (value, i) => (i === 3 ? NaN : value)),
          ),
        );
      }),
    "WEIGHTS_INVALID",
    /word_embeddings.*NaN.*element 3/,
  ],
  [
    "an empty file of weights",
    (model) => writeFile(weightsOf(model), ""),
    "WEIGHTS_INVALID",
    /model\.safetensors.*0 bytes/,
  ],
  [
    "a header cut off",
    (model) => changeBytes(model, (bytes) => bytes.subarray(0, 100)),
    "WEIGHTS_INVALID",
    /header.*cut off/,
  ],
  [
    "data cut off",
    (model) => changeBytes(model, (bytes) => bytes.subarray(0, bytes.length - 8)),
    "WEIGHTS_INVALID",
    /cut off/,
  ],
  [
    "bytes after the last tensor",
    (model) => changeBytes(model, (bytes) => Buffer.concat([bytes, Buffer.alloc(8)])),
    "WEIGHTS_INVALID",
    /8 bytes after the last tensor/,
  ],
  [
    "a header that says it is 2^60 bytes long",
    (model) =>
      changeBytes(model, (bytes) => {
        bytes.writeBigUInt64LE(2n ** 60n, 0);
        return bytes;
      }),
    "WEIGHTS_INVALID",
    /header of 1152921504606846976 bytes/,
  ],
  [
    "overlapping tensors",
    (model) =>
      writeFile(
        weightsOf(model),
        raw(
          {
            a: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
            b: { dtype: "F32", shape: [2], data_offsets: [4, 12] },
          },
          12,
        ),
      ),
    "WEIGHTS_INVALID",
    /"b" overlaps "a"/,
  ],
  [
    "a tensor twice",
    (model) =>
      writeFile(
        weightsOf(model),
        raw(
          '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
          4,
        ),
      ),
    "WEIGHTS_INVALID",
    /"a" twice/,
  ],
  [
    "a shape that its bytes do not have",
    (model) => writeFile(weightsOf(model), raw({ a: { dtype: "F32", shape: [3], data_offsets: [0, 8] } }, 8)),
    "WEIGHTS_INVALID",
    /"a" has 8 bytes/,
  ],
  [
    "a tensor missing",
    (model) =>
      changeTensors(model, (tensors) => {
        tensors.delete(WORDS);
      }),
    "WEIGHTS_INVALID",
    /no tensor "bert\.embeddings\.word_embeddings\.weight"/,
  ],
  [
    "a config of a far larger model",
    (model) =>
      changeJson(join(model, "config.json"), (config) =>
        Object.assign(config, {
          hidden_size: 16_384,
          intermediate_size: 131_072,
          vocab_size: 2_000_000,
          num_hidden_layers: 256,
          num_attention_heads: 256,
        }),
      ),
    "WEIGHTS_INVALID",
    /config\.json asks for .*2000000, 16384/,
  ],
  [
    "sizes beyond any limit in the config",
    (model) => changeJson(join(model, "config.json"), (config) => Object.assign(config, { hidden_size: 1e9 })),
    "MODEL_INVALID",
    /hidden_size/,
  ],
  [
    "weights far larger than the config's model",
    async (model) => {
      await using file = await open(weightsOf(model), "r+");
      await file.truncate(3 * 2 ** 30); // sparse: no disk is taken, and no memory must be
    },
    "WEIGHTS_INVALID",
    /has 3\.00 GiB.*at most 32/,
  ],
  [
    "a config that is no JSON",
    (model) => writeFile(join(model, "config.json"), "{"),
    "MODEL_INVALID",
    /config\.json is not JSON/,
  ],
  ["no config", (model) => rm(join(model, "config.json")), "NOT_FOUND", /no config\.json/],
  [
    "another model's tokenizer",
    (model) => changeJson(join(model, "config.json"), (config) => Object.assign(config, { vocab_size: 12 })),
    "MODEL_INVALID",
    /not of the same model/,
  ],
  [
    "a link",
    async (model) => {
      await rename(weightsOf(model), `${model}.elsewhere`);
      await symlink(`${model}.elsewhere`, weightsOf(model));
    },
    "MODEL_INVALID",
    /symbolic link/,
  ],
  [
    "a second name of a file elsewhere",
    async (model) => {
      await writeFile(`${model}.secret`, "{}");
      await rm(join(model, "special_tokens_map.json"));
      await link(`${model}.secret`, join(model, "special_tokens_map.json"));
    },
    "MODEL_INVALID",
    /hard link/,
  ],
  [
    "a linked folder on the way to a file",
    async (model) => {
      await mkdir(`${model}.pooling`);
      await symlink(`${model}.pooling`, join(model, "1_Pooling"));
    },
    "MODEL_INVALID",
    /1_Pooling.*symbolic link/,
  ],
  [
    "a tokenizer whose regular expression never ends",
    (model) =>
      changeJson(join(model, "tokenizer.json"), (json) => {
        json["pre_tokenizer"] = { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated", invert: false };
      }),
    "TOKENIZER_INVALID",
    /regular expression.*\(a\+\)\+/,
  ],
];

const LLAMA: Entry = string("general.architecture", "llama");
const tensorOf = (data: Uint8Array, type = 0, dims: readonly (number | bigint)[] = [8]): Uint8Array =>
  ggufBytes({ entries: [LLAMA], tensors: [{ name: "token_embd.weight", dims, type, data }] });

/** What, a GGUF file's bytes, the code, and what the message must name. */
export const GGUFS: readonly (readonly [string, Uint8Array, ErrorCode, RegExp])[] = [
  ["an empty file", new Uint8Array(), "WEIGHTS_INVALID", /0 are left/],
  ["another kind of file", Buffer.from("PK\u0003\u0004, a zip"), "WEIGHTS_INVALID", /does not begin with "GGUF"/],
  ["2^60 tensors", ggufBytes({ tensorCount: 2n ** 60n }), "WEIGHTS_INVALID", /number of tensors claims 1152921504/],
  ["2^60 metadata entries", ggufBytes({ entryCount: 2n ** 60n }), "WEIGHTS_INVALID", /entries claims 1152921504/],
  [
    "2^60 strings",
    ggufBytes({ entries: [["tokenizer.ggml.tokens", 9, (out: Out) => out.u32(8).u64(2n ** 60n)]] }),
    "WEIGHTS_INVALID",
    /"tokenizer.ggml.tokens" claims 1152921504/,
  ],
  ["a tensor of 2^40 values", tensorOf(new Uint8Array(32), 0, [2n ** 40n]), "WEIGHTS_INVALID", /token_embd.*of 32;/],
  ["a file that is cut off", tensorOf(new Uint8Array(64)).subarray(0, -40), "WEIGHTS_INVALID", /token_embd.*cut off/],
  [
    "an architecture that is not read",
    ggufBytes({ entries: [string("general.architecture", "t5")] }),
    "MODEL_INVALID",
    /"t5"/,
  ],
  [
    "sizes that are missing",
    ggufBytes({
      entries: [LLAMA, u32("llama.block_count", 1)],
      tensors: [{ name: "token_embd.weight", dims: [8], type: 0, data: new Uint8Array(32) }],
    }),
    "MODEL_INVALID",
    /context_length/,
  ],
];

export function weightsOf(model: string): string {
  return join(model, "model.safetensors");
}

/** A value in a JSON file of the folder, changed. */
async function changeJson(file: string, change: (json: Record<string, unknown>) => void): Promise<void> {
  const json = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  change(json);
  await writeFile(file, JSON.stringify(json));
}

async function changeBytes(model: string, change: (bytes: Buffer) => Uint8Array): Promise<void> {
  await writeFile(weightsOf(model), change(await readFile(weightsOf(model))));
}

async function changeTensors(model: string, change: (tensors: Map<string, HostTensor>) => void): Promise<void> {
  const tensors = new Map(readSafetensors(await readFile(weightsOf(model))).tensors);
  change(tensors);
  await writeFile(weightsOf(model), encodeSafetensors(tensors));
}

function raw(header: object | string, dataBytes: number): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}

/** A copy of a version's folder as a stranger's, changed. What was left by an earlier one is removed. */
export async function changedCopy(
  version: string,
  model: string,
  change: (model: string) => Promise<void>,
): Promise<string> {
  for (const left of [model, `${model}.elsewhere`, `${model}.secret`, `${model}.pooling`])
    await rm(left, { recursive: true, force: true });
  await mkdir(model);
  for (const name of await readdir(version)) {
    await cp(join(version, name), join(model, name));
    await chmod(join(model, name), 0o644);
  }
  await change(model);
  return model;
}
