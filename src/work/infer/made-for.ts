/**
 * What a version was made for, and what follows from that: its head, its labels, and how the head's numbers become an
 * answer. `lockstep.json` says it; of a folder of somebody else's, `config.json` does, by the class of `transformers`
 * that it names and by `problem_type`, and the files of sentence-transformers beside it.
 */
import { LockstepError } from "../../base/index.ts";
import {
  classifierLabels,
  familyPooling,
  headKindOf,
  requireSingleLabel,
  type Head,
  type HeadKind,
  type ParsedConfig,
  type Pooling,
  type SentenceEncoder,
} from "../../language/models/index.ts";
import type { Activation, Calibration, LockstepFile, LockstepFileOf, VersionTask } from "./lockstep-file.ts";

export interface Making {
  readonly task: VersionTask;
  readonly head: Head;
  /** By class id; none where the version has no classes. */
  readonly labels: readonly string[];
  /** Of probabilities; that of a version without any changes nothing. */
  readonly calibration: Calibration;
  /** What becomes of a score's one output. */
  readonly activation: Activation;
  /** Whether embeddings are scaled to length 1. */
  readonly normalize: boolean;
}

const NO_CALIBRATION: Calibration = { temperature: 1, threshold: 0 };
/** Where nothing else is known, a label of several is given when it is likelier than not. */
const LIKELIER_THAN_NOT: Calibration = { temperature: 1, threshold: 0.5 };

const PLAIN = { labels: [], calibration: NO_CALIBRATION, activation: "identity", normalize: false } as const;

/** An encoder of which nothing else is said. */
const PLAIN_ENCODER: SentenceEncoder = { pooling: "mean", normalize: false, maxTokens: undefined };

type Own = { readonly [T in VersionTask]: (own: LockstepFileOf<T>, parsed: ParsedConfig) => Omit<Making, "task"> };

/** Of a version that was made here. */
const OWN: Own = {
  classify: ({ labels, pooling, calibration }, parsed) => {
    requireSingleLabel(parsed.problemType);
    return { ...PLAIN, ...classes(labels, parsed), head: sequence(labels.length, pooling), calibration };
  },
  "multi-label": ({ labels, pooling, calibration }, parsed) => ({
    ...PLAIN,
    ...classes(labels, parsed),
    head: sequence(labels.length, pooling),
    calibration,
  }),
  score: ({ pooling, activation }) => ({ ...PLAIN, head: sequence(1, pooling), activation }),
  "token-classify": ({ labels, calibration = NO_CALIBRATION }, parsed) => ({
    ...PLAIN,
    ...classes(labels, parsed),
    head: { kind: "token", labels: labels.length },
    calibration: { ...NO_CALIBRATION, ...calibration },
  }),
  embed: ({ pooling, normalize }) => ({ ...PLAIN, head: { kind: "encoder", pooling }, normalize }),
  "masked-lm": () => ({ ...PLAIN, head: { kind: "masked-lm" } }),
  "causal-lm": () => ({ ...PLAIN, head: { kind: "causal-lm" } }),
};

/** @throws MODEL_INVALID */
export function madeHere<T extends VersionTask>(own: LockstepFileOf<T> & LockstepFile, parsed: ParsedConfig): Making {
  const task: T = own.task;
  return { task, ...OWN[task](own, parsed) };
}

type Foreign = { readonly [K in HeadKind]: (parsed: ParsedConfig, encoder: SentenceEncoder) => Making };

/** Of a folder of somebody else's, by the kind of its head. */
const FOREIGN: Foreign = {
  sequence: (parsed) => {
    const pooling = familyPooling(parsed.config);
    const { labels, numLabels, problemType } = parsed;
    const outputs = labels?.length ?? numLabels ?? 2;
    if (problemType === "multi_label_classification") {
      const names = labels ?? numbered(outputs);
      return {
        ...PLAIN,
        task: "multi-label",
        labels: names,
        head: sequence(outputs, pooling),
        calibration: LIKELIER_THAN_NOT,
      };
    }
    if (problemType === "regression" || outputs === 1) {
      if (outputs !== 1) throw severalNumbers(outputs);
      return { ...PLAIN, task: "score", head: sequence(1, pooling), activation: parsed.activation ?? ofScore(parsed) };
    }
    const names = classifierLabels(parsed);
    return { ...PLAIN, task: "classify", labels: names, head: sequence(names.length, pooling) };
  },
  token: ({ labels, numLabels }) => {
    const names = labels ?? numbered(numLabels ?? 2);
    return { ...PLAIN, task: "token-classify", labels: names, head: { kind: "token", labels: names.length } };
  },
  encoder: (_, { pooling, normalize }) => ({
    ...PLAIN,
    task: "embed",
    head: { kind: "encoder", pooling },
    normalize,
  }),
  "masked-lm": () => ({ ...PLAIN, task: "masked-lm", head: { kind: "masked-lm" } }),
  "causal-lm": () => ({ ...PLAIN, task: "causal-lm", head: { kind: "causal-lm" } }),
};

/**
 * A bare model whose `config.json` names classes had a classifier put on it, which the class in `transformers` does not
 * know of; a model of sentence-transformers is an encoder whatever its class.
 * @throws MODEL_INVALID: what it answers is not read here
 */
export function madeElsewhere(parsed: ParsedConfig, encoder: SentenceEncoder | undefined): Making {
  if (encoder !== undefined) return FOREIGN.encoder(parsed, encoder);
  const { config, architecture, labels } = parsed;
  // Without a class, the weights decide whether there is a classifier.
  const kind = architecture === undefined ? "sequence" : headKindOf(config, architecture);
  if (kind === undefined || (kind === "encoder" && labels !== undefined))
    return FOREIGN.sequence(parsed, PLAIN_ENCODER);
  return FOREIGN[kind](parsed, PLAIN_ENCODER);
}

function sequence(labels: number, pooling: Pooling): Head {
  return { kind: "sequence", labels, pooling };
}

function numbered(count: number): readonly string[] {
  return Array.from({ length: count }, (_, id) => `LABEL_${id}`);
}

/** As pipelines of `transformers` and the cross-encoders of sentence-transformers have it. */
function ofScore({ problemType }: ParsedConfig): Activation {
  return problemType === "regression" ? "identity" : "sigmoid";
}

function severalNumbers(outputs: number): LockstepError {
  return new LockstepError(
    "MODEL_INVALID",
    `config.json: "problem_type" is "regression" with ${outputs} outputs; a score is one number`,
    { field: "problem_type" },
  );
}

/** Both files name the classes; a folder in which one of them was edited says two things. @throws MODEL_INVALID */
function classes(own: readonly string[], { labels }: ParsedConfig): Pick<Making, "labels"> {
  const differs = labels?.findIndex((label, id) => label !== own[id]) ?? -1;
  if (labels !== undefined && (differs >= 0 || labels.length !== own.length))
    throw new LockstepError(
      "MODEL_INVALID",
      `"id2label" in config.json has ${labels.length} names and "labels" in lockstep.json ${own.length}` +
        (differs < 0 ? "" : `, and they differ in class ${differs}`) +
        "; make both the same",
      { field: "id2label" },
    );
  return { labels: own };
}
