/**
 * What a version's files say: the one place where a folder in the Hugging Face layout, with or without `lockstep.json`,
 * becomes something that can be loaded. Nothing is trusted: every file is checked before it is used.
 */
import { formatBytes, LockstepError, parseStrictJson } from "../../base/index.ts";
import {
  classifierName,
  matchWeights,
  modelParameters,
  parameterCount,
  parseModelConfig,
  readSentenceEncoder,
  readSentencePooling,
  requireSentenceInput,
  tokenizerClass,
  type ModelConfig,
  type Pooling,
  type SentenceEncoder,
} from "../../language/models/index.ts";
import { openTokenizer, type Tokenizer } from "../../language/text/index.ts";
import { readSafetensors, type HostTensor, type Safetensors } from "../../numeric/tensor/index.ts";
import { LOCKSTEP_FILE, ownLabels, ownPooling, parseLockstepFile, type LockstepFile } from "./lockstep-file.ts";
import { madeElsewhere, madeHere, type Making } from "./made-for.ts";

export type VersionFiles = ReadonlyMap<string, Uint8Array>;

/** All of a version but its weights. */
export interface VersionInfo extends Making {
  readonly config: ModelConfig;
  readonly maxTokens: number;
  readonly tokenizer: Tokenizer;
}

export interface Version extends VersionInfo {
  readonly weights: Readonly<Record<string, HostTensor<"float32">>>;
}

/**
 * A pre-trained encoder to start from: a version, or any folder of a family that is read. Its head, if it has one, is
 * left aside.
 */
export interface Encoder {
  readonly config: ModelConfig;
  readonly pooling: Pooling;
  readonly tokenizer: Tokenizer;
  readonly tensors: ReadonlyMap<string, HostTensor>;
  /** Tensors of a type that is not read, by name. */
  readonly unread: Safetensors["unread"];
}

/** @throws MODEL_INVALID, TOKENIZER_INVALID with the file that is wrong. */
export function readVersionInfo(files: VersionFiles): VersionInfo {
  const parsed = parseModelConfig(parseJson(files, "config.json"));
  const { config } = parsed;
  const own = readLockstepFile(files);
  const encoder = own === undefined ? sentenceEncoder(files) : undefined;
  const making = own === undefined ? madeElsewhere(parsed, encoder) : madeHere(own, parsed);
  const limits = [config.max_position_embeddings, own?.max_tokens, encoder?.maxTokens];
  const tokenizer = readTokenizer(files, config, Math.min(...limits.filter((limit) => limit !== undefined)));
  checkVocabulary(config, tokenizer);
  // Less than all of them where tokenizer_config.json says so.
  return { ...making, config, maxTokens: tokenizer.maxLength, tokenizer };
}

/** @throws as readVersionInfo; WEIGHTS_INVALID naming the tensor. */
export function readVersion(files: VersionFiles): Version {
  const info = readVersionInfo(files);
  const { tensors, unread } = readWeights(files);
  requireRows(files, info, tensors);
  const { weights, missing } = matchWeights(info.config, modelParameters(info.config, info.head), tensors, unread);
  const first = missing[0];
  if (first !== undefined)
    throw new LockstepError(
      "WEIGHTS_INVALID",
      `model.safetensors has no tensor "${first.name}" [${first.shape.join(", ")}] (${missing.length} missing ` +
        "in all); the folder is incomplete, or config.json is that of another model",
      { tensor: first.name },
    );
  return { ...info, weights: Object.fromEntries(weights) };
}

/** How sentence-transformers makes a vector of a text here; undefined where the folder has nothing from there. */
function sentenceEncoder(files: VersionFiles): SentenceEncoder | undefined {
  return readSentenceEncoder({
    modules: parseOptional(files, "modules.json"),
    transformer: parseOptional(files, "sentence_bert_config.json"),
    pooling: poolingFile(files),
    prompts: parseOptional(files, "config_sentence_transformers.json"),
  });
}

function poolingFile(files: VersionFiles): unknown {
  return parseOptional(files, "1_Pooling/config.json");
}

function parseOptional(files: VersionFiles, name: string): unknown {
  return files.has(name) ? parseJson(files, name) : undefined;
}

/** Where nothing names the classes, two are meant; a head of another size says what has to be told. */
function requireRows(
  files: VersionFiles,
  { config, head }: VersionInfo,
  tensors: ReadonlyMap<string, HostTensor>,
): void {
  const { labels: named, numLabels } = parseModelConfig(parseJson(files, "config.json"));
  if (files.has(LOCKSTEP_FILE) || named !== undefined || numLabels !== undefined || head.kind !== "sequence") return;
  const { labels } = head;
  const name = `${classifierName(config)}.weight`;
  const rows = tensors.get(name)?.shape[0];
  if (rows === labels) return;
  throw new LockstepError(
    "MODEL_INVALID",
    rows === undefined
      ? `this folder is an encoder without a classifier (no tensor "${name}"); fine-tune it first (train --from)`
      : `config.json has no "id2label", which means ${labels} classes, and "${name}" has ${rows} ` +
          "rows; name the classes in id2label",
    { field: "id2label" },
  );
}

/** @throws as readVersion; a missing head is no error. */
export function readEncoder(
  files: VersionFiles,
  maxTokens: number,
  { pooling }: { readonly pooling?: Pooling | undefined } = {},
): Encoder {
  const { config } = parseModelConfig(parseJson(files, "config.json"));
  const own = readLockstepFile(files);
  requireSentenceInput(parseOptional(files, "sentence_bert_config.json"));
  const tokenizer = readTokenizer(files, config, Math.min(maxTokens, config.max_position_embeddings));
  checkVocabulary(config, tokenizer);
  return {
    config,
    pooling: pooling ?? ownPooling(own) ?? readSentencePooling(poolingFile(files)) ?? "mean",
    tokenizer,
    ...readWeights(files),
  };
}

const WEIGHTS = "model.safetensors";

/** Bytes beside the parameters that a weights file may have: its header, position ids, a next-sentence head. */
const WEIGHTS_MARGIN = 32 * 1024 * 1024;

/**
 * Refuses a weights file that is larger than everything a model of config.json's sizes has, in double precision; asked
 * before memory is taken for it. One that is too small is found by its header. @throws MODEL_INVALID, WEIGHTS_INVALID
 */
export function checkWeightsSize(files: VersionFiles, weightBytes: number): void {
  const { config, labels } = parseModelConfig(parseJson(files, "config.json"));
  const { hidden_size: C, vocab_size: V } = config;
  const classes = (labels ?? ownLabels(readLockstepFile(files)) ?? []).length;
  const heads = (V + classes) * (C + 1) + 2 * C * (C + 2);
  const most =
    8 * (parameterCount(modelParameters(config, { kind: "encoder", pooling: "mean" })) + heads) + WEIGHTS_MARGIN;
  if (weightBytes > most) {
    throw new LockstepError(
      "WEIGHTS_INVALID",
      `model.safetensors has ${formatBytes(weightBytes)}, but a model of the sizes in config.json has at most ` +
        `${formatBytes(most)}: the two are not of the same model; fetch the folder again`,
      { bytes: weightBytes, most },
    );
  }
}

function readWeights(files: VersionFiles): Pick<Safetensors, "tensors" | "unread"> {
  const { tensors, unread } = readSafetensors(need(files, WEIGHTS), { name: WEIGHTS });
  return { tensors, unread };
}

function readTokenizer(files: VersionFiles, config: ModelConfig, maxLength: number): Tokenizer {
  const beside = (name: string): object | undefined =>
    files.has(name) ? (parseJson(files, name) as object) : undefined;
  const [map, added] = [beside("special_tokens_map.json"), beside("added_tokens.json")];
  return openTokenizer(
    {
      ...vocabulary(files),
      tokenizerConfig: withClass(beside("tokenizer_config.json") ?? {}, tokenizerClass(config)),
      ...(map === undefined ? {} : { specialTokensMap: map }),
      ...(added === undefined ? {} : { addedTokens: added }),
      ...(files.has("chat_template.jinja") ? { chatTemplate: text(files, "chat_template.jinja") } : {}),
    },
    { maxLength },
  );
}

/** As Python reads a folder without `tokenizer_config.json`, or without a class in it. */
function withClass(settings: object, usual: string | undefined): object {
  const { tokenizer_class: named }: { readonly tokenizer_class?: unknown } = settings;
  return usual === undefined || (named ?? undefined) !== undefined ? settings : { ...settings, tokenizer_class: usual };
}

/** Older folders have the vocabulary by itself; where there is no file at all, the message names the usual one. */
function vocabulary(files: VersionFiles) {
  const hasWhole = files.has("tokenizer.json");
  if (!hasWhole && files.has("vocab.txt")) return { vocabTxt: text(files, "vocab.txt") };
  return !hasWhole && files.has("vocab.json")
    ? { vocabJson: text(files, "vocab.json"), mergesTxt: text(files, "merges.txt") }
    : { tokenizerJson: text(files, "tokenizer.json") };
}

function checkVocabulary(config: ModelConfig, tokenizer: Tokenizer): void {
  if (tokenizer.vocabSize > config.vocab_size) {
    throw new LockstepError(
      "MODEL_INVALID",
      `tokenizer.json has ${tokenizer.vocabSize} tokens, but config.json says "vocab_size" ${config.vocab_size}` +
        ": they are not of the same model",
      { tokens: tokenizer.vocabSize, vocab_size: config.vocab_size },
    );
  }
}

/** `lockstep.json` of a folder that has one. @throws MODEL_INVALID */
export function readLockstepFile(files: VersionFiles): LockstepFile | undefined {
  return files.has(LOCKSTEP_FILE) ? parseLockstepFile(parseJson(files, LOCKSTEP_FILE)) : undefined;
}

function need(files: VersionFiles, name: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes === undefined)
    throw new LockstepError(
      "MODEL_INVALID",
      `the folder has no ${name}; it has ${[...files.keys()].sort().join(", ") || "nothing"}`,
      { file: name },
    );
  return bytes;
}

function text(files: VersionFiles, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(need(files, name));
  } catch (thrown) {
    if (thrown instanceof TypeError)
      throw new LockstepError("MODEL_INVALID", `${name} is not UTF-8 text; the file is damaged, fetch it again`, {
        file: name,
      });
    throw thrown;
  }
}

function parseJson(files: VersionFiles, name: string): unknown {
  return parseStrictJson(text(files, name), {
    what: name,
    code: "MODEL_INVALID",
    largeNumbers: name === "config.json" ? "refuse" : "round",
    details: { file: name },
  });
}
