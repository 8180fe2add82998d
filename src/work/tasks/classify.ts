/** The task `classify`: the one class of several that a text belongs to. */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { checkText } from "../../language/text/index.ts";
import { toAnswer, type ClassAnswer } from "./class-answer.ts";
import type { Task, TaskTypes } from "./task.ts";
import { isOneOfTwo, ONE_OF_TWO, textFields, textsOf, wireRequest } from "./wire.ts";

/** Labels to list, at most `most`: every label there may be, or as many as one response should carry. */
const labelsToList = (most: number) => z.int().min(1).max(most).default(5);

const options = z.strictObject({
  /** Likeliest labels to list, 1 to 100,000. @default 5 */
  topK: labelsToList(100_000),
});

const body = wireRequest(textFields("A text to classify."), {
  top_k: labelsToList(1000).meta({ description: "How many labels to give, most probable first." }),
}).refine(isOneOfTwo, ONE_OF_TWO);

const wire = z.object({
  label: z.string().nullable().meta({ description: "The most probable label; null when the model abstained." }),
  probability: z.number().meta({ description: "Of the most probable label." }),
  abstained: z.boolean().meta({ description: "Whether the most probable label lies below the version's threshold." }),
  truncated: z
    .boolean()
    .meta({ description: "Whether the text had more tokens than the version reads, so that only a part was read." }),
  top: z.array(z.object({ label: z.string(), probability: z.number() })),
});

const recorded = z.object({ text: z.string(), top_k: z.int().min(1) });

export interface ClassifyTypes extends TaskTypes {
  readonly question: string;
  readonly options: z.output<typeof options>;
  readonly asked: z.input<typeof options>;
  readonly answer: ClassAnswer;
  readonly body: z.output<typeof body>;
  readonly wire: z.output<typeof wire>;
  readonly notes: undefined;
}

export const classify: Task<"classify", ClassifyTypes> = {
  name: "classify",
  noun: "text",
  about: "Classifies one text or up to 64.",
  format: 1,
  refusal: ({ task }) => (task === "classify" ? undefined : "it was not made to tell classes apart"),
  learns: true,

  options,
  check: checkQuestion,
  rows: () => 1,
  length: (text) => text.length,
  encode: async ({ tokenizer }, text) => {
    const row = await tokenizer.encode(text);
    return { rows: [row], truncated: row.truncated, notes: undefined };
  },
  answer: ({ labels, calibration }, [logits], { topK }) => toAnswer(logits!, labels, calibration, topK),

  route: "/v1/classify",
  body,
  ofBody: (parsed) => ({ questions: textsOf(parsed), options: { topK: parsed.top_k } }),
  wire,
  toWire: ({ label, probability, abstained, truncated, top }) => ({
    label: abstained ? null : label,
    probability,
    abstained,
    truncated,
    top: [...top],
  }),

  record: (text, { topK }) => ({ text, top_k: topK }),
  recall: (record) => {
    const { text, top_k: topK } = parseOptions(recorded, record, "a recorded question", "LOG_CORRUPT");
    return { question: text, options: { topK } };
  },
  summary: ({ label, probability, abstained, top, truncated }) => ({
    label,
    probability,
    abstained,
    top: top.map((one) => ({ label: one.label, probability: one.probability })),
    truncated,
  }),
  laterFields: ["truncated"],

  ofText: (text) => text,
};

/** @throws INPUT_INVALID, INPUT_TOO_LARGE */
export function checkQuestion(text: unknown, what: string): asserts text is string {
  checkText(text, what);
  if (text.trim() === "") throw new LockstepError("INPUT_INVALID", `${what} is blank`, { what });
}
