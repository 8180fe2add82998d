/** The task `multi-label`: every class of several that a text, or a pair of texts, belongs to; none, one or many. */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import type { Calibration } from "../infer/index.ts";
import type { LabelProbability } from "./class-answer.ts";
import { digestBits } from "./digest.ts";
import { sigmoid } from "./sigmoid.ts";
import type { Task, TaskAnswer, TaskTypes } from "./task.ts";
import { questionsOf, textOrPairRecord, TEXT_OR_PAIR, textOrPairRequest, type TextOrPair } from "./text.ts";
import { requireFiniteOutput } from "./vectors.ts";
import { TRUNCATED } from "./wire.ts";

const labelsToList = (most: number) => z.int().min(1).max(most).default(5);
const share = z.number().min(0).max(1).optional();

const options = z.strictObject({
  /** Likeliest labels to list, whether they are given or not, 1 to 100,000. @default 5 */
  topK: labelsToList(100_000),
  /** The probability from which on a label is given, 0 to 1. @default the version's, of each label its own */
  threshold: share,
});

const body = textOrPairRequest({
  top_k: labelsToList(1000).meta({ description: "How many labels to list, most probable first." }),
  threshold: share.meta({ description: "The probability from which on a label is given; the version's without." }),
});

const list = z.array(z.object({ label: z.string(), probability: z.number() }));
const wire = z.object({
  labels: list.meta({ description: "The labels given, most probable first; there may be none." }),
  truncated: TRUNCATED,
  top: list.meta({ description: "The most probable labels, given or not." }),
});

const recorded = z.object({ ...textOrPairRecord.fields, top_k: z.int().min(1), threshold: share });

export interface MultiLabelAnswer extends TaskAnswer {
  /** Those whose probability is the threshold or more, falling; ties in the order of class ids. There may be none. */
  readonly labels: readonly LabelProbability[];
  /** The likeliest, given or not. */
  readonly top: readonly LabelProbability[];
}

export interface MultiLabelTypes extends TaskTypes {
  readonly question: TextOrPair;
  readonly options: z.output<typeof options>;
  readonly asked: z.input<typeof options>;
  readonly answer: MultiLabelAnswer;
  readonly body: z.output<typeof body>;
  readonly wire: z.output<typeof wire>;
  readonly notes: undefined;
}

const copies = (labels: readonly LabelProbability[]): LabelProbability[] =>
  labels.map(({ label, probability }) => ({ label, probability }));

/** How likely a label belongs to a text, 0 to 1, by its logit. */
export function labelProbability(logit: number, { temperature }: Calibration): number {
  return sigmoid(logit / temperature);
}

/** The probability from which on a label is given. */
export function labelThreshold(id: number, { threshold, thresholds }: Calibration): number {
  return thresholds?.[id] ?? threshold;
}

export const multiLabel: Task<"multi-label", MultiLabelTypes> = {
  ...TEXT_OR_PAIR,
  name: "multi-label",
  about: "Gives all labels of a text or a pair of texts, or of up to 64.",
  format: 1,
  refusal: ({ task }) => (task === "multi-label" ? undefined : "it was not made to give several labels at once"),
  learns: false,

  options,
  answer: ({ labels, calibration }, [logits], { topK, threshold }) => {
    requireFiniteOutput(logits!, "the row of logits");
    const all = labels
      .map((label, id) => ({ label, probability: labelProbability(logits![id]!, calibration), id }))
      .sort((a, b) => b.probability - a.probability || a.id - b.id);
    return {
      labels: copies(
        all.filter(({ probability, id }) => probability >= (threshold ?? labelThreshold(id, calibration))),
      ),
      top: copies(all.slice(0, topK)),
      digest: digestBits(logits!),
    };
  },

  route: "/v1/multi-label",
  body,
  ofBody: (parsed) => ({
    questions: questionsOf(parsed),
    options: { topK: parsed.top_k, threshold: parsed.threshold },
  }),
  wire,
  toWire: ({ labels, truncated, top }) => ({ labels: copies(labels), truncated, top: copies(top) }),

  record: (question, { topK, threshold }) => ({
    ...textOrPairRecord.of(question),
    top_k: topK,
    ...(threshold === undefined ? {} : { threshold }),
  }),
  recall: (record) => {
    const parsed = parseOptions(recorded, record, "a recorded question", "LOG_CORRUPT");
    return {
      question: textOrPairRecord.question(parsed),
      options: { topK: parsed.top_k, threshold: parsed.threshold },
    };
  },
  summary: ({ labels, top, truncated }) => ({ labels: copies(labels), top: copies(top), truncated }),
  laterFields: [],
};
