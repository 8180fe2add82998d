/**
 * A version and some examples in, the next version out: new weights of the last layer, everything else as it was, and
 * one more line in the version's lineage. A pure function of (version, examples, rates, numerics profile), so a lineage
 * can be replayed update by update.
 */
import { z } from "zod";
import { canonicalJson, LockstepError, parseOptions, sha256Hex } from "../../base/index.ts";
import { classifierName, type TokenRow } from "../../language/models/index.ts";
import {
  digestTensors,
  encodeSafetensors,
  readSafetensors,
  tensor,
  type HostTensor,
} from "../../numeric/tensor/index.ts";
import {
  readLockstepFile,
  sequenceHead,
  type FeatureExtractor,
  type LockstepFile,
  type Version,
  type VersionFiles,
} from "../infer/index.ts";
import { versionName, type NamedFiles } from "../store/index.ts";
import { fitHead, type HeadRates } from "./head.ts";

export interface LabelledText {
  readonly text: string;
  readonly label: string;
}

/** The last updates that a version's own file names; all of them are in its digest. */
const KEPT_UPDATES = 1000;

const hash = z.string().regex(/^[0-9a-f]{64}$/);

/** One update, as `lockstep.json` keeps it. */
const updateSchema = z.strictObject({
  /** The version that it started from. */
  parent: z.string(),
  examples: z.int().min(1),
  /** SHA-256 of the canonical JSON of [{label, text}, …]. */
  examples_sha256: hash,
  learning_rate: z.number(),
  steps: z.int(),
  l2: z.number(),
  /** Id of the numerics profile that the features were computed on. */
  profile: hash,
});

/** What became of a version since it was trained: `learned` in `lockstep.json`. */
const lineageSchema = z.strictObject({
  /** The version that the first update started from. */
  base: z.string(),
  count: z.int().min(1),
  /**
   * SHA-256 over all updates: of the digest before (at first `base`), a line feed and the canonical JSON of the update.
   */
  digest: hash,
  updates: z.array(updateSchema).max(KEPT_UPDATES),
});

export type UpdateRecord = Readonly<z.output<typeof updateSchema>>;
export type Lineage = z.output<typeof lineageSchema>;

export interface HeadUpdate {
  readonly next: NamedFiles;
  readonly version: Version;
  readonly lineage: Lineage;
  readonly lossBefore: number;
  readonly lossAfter: number;
}

/**
 * @throws INPUT_INVALID: a label that the version does not have; MODEL_INVALID: a last layer without bias; NON_FINITE;
 * TOKENIZER_INVALID
 */
export async function updateHead(
  parent: NamedFiles,
  version: Version,
  features: FeatureExtractor,
  examples: readonly LabelledText[],
  rates: HeadRates,
): Promise<HeadUpdate> {
  const layer = lastLayer(version);
  const labels = examples.map(({ label }, index) => classOf(version, label, index));
  const rows: Float32Array[] = [];
  for (const { text } of examples) {
    const row: TokenRow = await version.tokenizer.encode(text);
    rows.push(await features.run(row));
  }
  const { weight, bias, lossBefore, lossAfter } = fitHead(
    { weight: version.weights[layer.weight]!.data, bias: version.weights[layer.bias]!.data },
    { features: rows, labels },
    rates,
  );
  const weights = {
    ...version.weights,
    [layer.weight]: tensor("float32", version.weights[layer.weight]!.shape, weight),
    [layer.bias]: tensor("float32", version.weights[layer.bias]!.shape, bias),
  };

  const own = readLockstepFile(parent.files);
  const record: UpdateRecord = {
    parent: parent.name,
    examples: examples.length,
    examples_sha256: sha256Hex(canonicalJson(examples.map(({ text, label }) => ({ text, label })))),
    learning_rate: rates.learningRate,
    steps: rates.steps,
    l2: rates.l2,
    profile: features.profile.id,
  };
  const before = own?.["learned"];
  const lineage = extended(
    before === undefined
      ? undefined
      : parseOptions(lineageSchema, before, `"learned" in lockstep.json`, "MODEL_INVALID"),
    record,
  );
  const files = new Map(parent.files);
  files.set("model.safetensors", withHead(parent.files, { [layer.weight]: weight, [layer.bias]: bias }));
  files.set(
    "lockstep.json",
    shared(new TextEncoder().encode(`${canonicalJson(described(version, own, weights, lineage))}\n`)),
  );
  return {
    next: { name: await versionName(files), files },
    version: { ...version, weights },
    lineage,
    lossBefore,
    lossAfter,
  };
}

function lastLayer({ config, weights }: Version): { readonly weight: string; readonly bias: string } {
  const name = classifierName(config);
  if (weights[`${name}.bias`] === undefined)
    throw new LockstepError(
      "MODEL_INVALID",
      `the version's last layer ("${name}") has no bias, and learning moves both; train it on the examples instead`,
      { layer: name },
    );
  return { weight: `${name}.weight`, bias: `${name}.bias` };
}

function classOf({ labels }: Version, label: string, index: number): number {
  const id = labels.indexOf(label);
  if (id < 0)
    throw new LockstepError(
      "INPUT_INVALID",
      `the label ${JSON.stringify(label.slice(0, 80))} of example ${index} is not one of the version's ` +
        `${labels.length}; learning changes what labels mean, and adds none`,
      { example: index },
    );
  return id;
}

function extended(before: Lineage | undefined, record: UpdateRecord): Lineage {
  const digest = sha256Hex(before?.digest ?? record.parent, "\n", canonicalJson(record));
  return {
    base: before?.base ?? record.parent,
    count: (before?.count ?? 0) + 1,
    digest,
    updates: [...(before?.updates ?? []), record].slice(-KEPT_UPDATES),
  };
}

/** The metrics are left out: they were measured on other weights. Calibration stays. */
function described(
  version: Version,
  own: LockstepFile | undefined,
  weights: Version["weights"],
  lineage: Lineage,
): LockstepFile {
  const { labels, maxTokens, calibration } = version;
  const made = {
    format: 1 as const,
    task: "classify" as const,
    labels: [...labels],
    pooling: sequenceHead(version).pooling,
    max_tokens: maxTokens,
    calibration: { ...calibration },
  } satisfies Omit<LockstepFile, "weights_sha256">;
  const file: LockstepFile = {
    ...(own ?? made),
    weights_sha256: digestTensors(Object.entries(weights)),
    learned: lineage,
  };
  delete file["metrics"];
  return file;
}

/** The file's other tensors, and its metadata, as they were. */
function withHead(files: VersionFiles, layer: Readonly<Record<string, Float32Array>>): Uint8Array {
  const { tensors, metadata } = readSafetensors(files.get("model.safetensors")!, { name: "model.safetensors" });
  const changed = new Map<string, HostTensor>(tensors);
  for (const [name, data] of Object.entries(layer))
    changed.set(name, tensor("float32", tensors.get(name)!.shape, data));
  return shared(encodeSafetensors(changed, metadata));
}

/** Replicas read the very bytes that were hashed, without a copy. */
function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
