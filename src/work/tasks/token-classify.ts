/** The task `token-classify`: spans of a text and what each is, such as names of people and places. */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { probabilities } from "./class-answer.ts";
import { digestBits } from "./digest.ts";
import { firstTokens, spansOf, type LabelledWord, type Span } from "./spans.ts";
import type { Task, TaskAnswer, TaskTypes } from "./task.ts";
import { checkOneText } from "./text.ts";
import { requireFiniteOutput } from "./vectors.ts";
import { isOneOfTwo, ONE_OF_TWO, textFields, textsOf, TRUNCATED, wireRequest } from "./wire.ts";

const options = z.strictObject({});
const body = wireRequest(textFields("A text to find spans in."), {}).refine(isOneOfTwo, ONE_OF_TWO);
const wire = z.object({
  spans: z
    .array(
      z.object({
        label: z.string(),
        start: z.int().meta({ description: "UTF-16 code units from the beginning of the text." }),
        end: z.int().meta({ description: "Exclusive." }),
        text: z.string(),
        probability: z.number().meta({ description: "Mean over the span's words." }),
      }),
    )
    .meta({ description: "In the order of the text; none overlaps another." }),
  truncated: TRUNCATED,
});
const recorded = z.object({ text: z.string() });

export interface TokenAnswer extends TaskAnswer {
  /** In the order of the text; none overlaps another. */
  readonly spans: readonly Span[];
  /** Every word with its own label, from which the spans follow (`spans.ts` says how). */
  readonly words: readonly LabelledWord[];
}

/** Where the text's words begin, and by which of the row's tokens each is labelled. */
interface Words {
  readonly text: string;
  readonly words: ReturnType<typeof firstTokens>;
}

export interface TokenClassifyTypes extends TaskTypes {
  readonly question: string;
  readonly options: z.output<typeof options>;
  readonly asked: z.input<typeof options>;
  readonly answer: TokenAnswer;
  readonly body: z.output<typeof body>;
  readonly wire: z.output<typeof wire>;
  readonly notes: Words;
}

const copies = (spans: readonly Span[]): Span[] => spans.map((span) => ({ ...span }));

export const tokenClassify: Task<"token-classify", TokenClassifyTypes> = {
  name: "token-classify",
  noun: "text",
  about: "Finds labelled spans in one text or in up to 64.",
  format: 1,
  refusal: ({ head }) => (head.kind === "token" ? undefined : "it was not made to label tokens"),
  learns: false,

  options,
  check: checkOneText,
  rows: () => 1,
  length: (text) => text.length,
  encode: async ({ tokenizer }, text) => {
    const row = await tokenizer.encode(text, { offsets: true });
    const words = firstTokens(text, row.offsets);
    return { rows: [{ ids: row.ids, typeIds: row.typeIds }], truncated: row.truncated, notes: { text, words } };
  },
  answer: ({ labels, calibration }, [logits], _, { text, words }) => {
    requireFiniteOutput(logits!, "a row of logits");
    const labelled = words.map(({ token, start, end }): LabelledWord => {
      const p = probabilities(
        logits!.subarray(token * labels.length, (token + 1) * labels.length),
        calibration.temperature,
      );
      const id = p.indexOf(p.reduce((most, one) => Math.max(most, one), 0));
      const label = labels[id];
      if (label === undefined) throw new LockstepError("INTERNAL", `the token ${token} has no label`, { token });
      return { start, end, label, probability: p[id]! };
    });
    return { spans: spansOf(text, labelled), words: labelled, digest: digestBits(logits!) };
  },

  route: "/v1/token-classify",
  body,
  ofBody: (parsed) => ({ questions: textsOf(parsed), options: {} }),
  wire,
  toWire: ({ spans, truncated }) => ({ spans: copies(spans), truncated }),

  record: (text) => ({ text }),
  recall: (record) => ({
    question: parseOptions(recorded, record, "a recorded question", "LOG_CORRUPT").text,
    options: {},
  }),
  summary: ({ spans, truncated }) => ({ spans: copies(spans), truncated }),
  laterFields: [],

  ofText: (text) => text,
  anyText: true,
};
