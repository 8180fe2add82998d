/** The task `classify`: the one class of several that a text, or a pair of texts, belongs to. */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import { toAnswer, type ClassAnswer } from "./class-answer.ts";
import type { Task, TaskTypes } from "./task.ts";
import { questionsOf, textOrPairRecord, TEXT_OR_PAIR, textOrPairRequest, type TextOrPair } from "./text.ts";
import { TRUNCATED } from "./wire.ts";

/** Labels to list, at most `most`: every label there may be, or as many as one response should carry. */
const labelsToList = (most: number) => z.int().min(1).max(most).default(5);

const options = z.strictObject({
  /** Likeliest labels to list, 1 to 100,000. @default 5 */
  topK: labelsToList(100_000),
});

const body = textOrPairRequest({
  top_k: labelsToList(1000).meta({ description: "How many labels to give, most probable first." }),
});

const wire = z.object({
  label: z.string().nullable().meta({ description: "The most probable label; null when the model abstained." }),
  probability: z.number().meta({ description: "Of the most probable label." }),
  abstained: z.boolean().meta({ description: "Whether the most probable label lies below the version's threshold." }),
  truncated: TRUNCATED,
  top: z.array(z.object({ label: z.string(), probability: z.number() })),
});

const recorded = z.object({ ...textOrPairRecord.fields, top_k: z.int().min(1) });

export interface ClassifyTypes extends TaskTypes {
  readonly question: TextOrPair;
  readonly options: z.output<typeof options>;
  readonly asked: z.input<typeof options>;
  readonly answer: ClassAnswer;
  readonly body: z.output<typeof body>;
  readonly wire: z.output<typeof wire>;
  readonly notes: undefined;
}

export const classify: Task<"classify", ClassifyTypes> = {
  ...TEXT_OR_PAIR,
  name: "classify",
  about: "Classifies a text or a pair of texts, or up to 64.",
  format: 1,
  refusal: ({ task }) => (task === "classify" ? undefined : "it was not made to tell classes apart"),
  learns: true,

  options,
  answer: ({ labels, calibration }, [logits], { topK }) => toAnswer(logits!, labels, calibration, topK),

  route: "/v1/classify",
  body,
  ofBody: (parsed) => ({ questions: questionsOf(parsed), options: { topK: parsed.top_k } }),
  wire,
  toWire: ({ label, probability, abstained, truncated, top }) => ({
    label: abstained ? null : label,
    probability,
    abstained,
    truncated,
    top: [...top],
  }),

  record: (question, { topK }) => ({ ...textOrPairRecord.of(question), top_k: topK }),
  recall: (record) => {
    const parsed = parseOptions(recorded, record, "a recorded question", "LOG_CORRUPT");
    return { question: textOrPairRecord.question(parsed), options: { topK: parsed.top_k } };
  },
  summary: ({ label, probability, abstained, top, truncated }) => ({
    label,
    probability,
    abstained,
    top: top.map((one) => ({ label: one.label, probability: one.probability })),
    truncated,
  }),
  laterFields: ["truncated"],
};
