/** The task `embed`: a text as a vector, so that texts of like meaning lie close together. */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { checkText } from "../../language/text/index.ts";
import { digestBits } from "./digest.ts";
import type { Task, TaskAnswer, TaskTypes } from "./task.ts";
import { embeddingOf, requireFiniteOutput, shortNumbers } from "./vectors.ts";
import { anyText, isOneOfTwo, ONE_OF_TWO, textFields, textsOf, TRUNCATED, wireRequest } from "./wire.ts";

/** The widest vector that a model's config may ask for. */
const MAX_DIMENSIONS = 1 << 16;
const dimensions = z.int().min(1).max(MAX_DIMENSIONS).optional();

const options = z.strictObject({
  /**
   * Numbers of a vector, the first so many of the model's; what is left is scaled to length 1 again where the model's
   * vectors have that. For models that were trained to be cut (Matryoshka). @default all of them
   */
  dimensions,
});

const body = wireRequest(textFields("A text to embed; it may be blank.", anyText), {
  dimensions: dimensions.meta({ description: "The first so many numbers of the vector; all of them without." }),
}).refine(isOneOfTwo, ONE_OF_TWO);

const wire = z.object({ embedding: z.array(z.number()), truncated: TRUNCATED });

const recorded = z.object({ text: z.string(), dimensions });

export interface Embedding extends TaskAnswer {
  /** float32; of length 1 where the version's `info.normalize` says so. */
  readonly embedding: Float32Array;
}

export interface EmbedTypes extends TaskTypes {
  readonly question: string;
  readonly options: z.output<typeof options>;
  readonly asked: z.input<typeof options>;
  readonly answer: Embedding;
  readonly body: z.output<typeof body>;
  readonly wire: z.output<typeof wire>;
  readonly notes: undefined;
}

export const embed: Task<"embed", EmbedTypes> = {
  name: "embed",
  noun: "text",
  about: "Gives the vector of one text or of up to 64.",
  format: 1,
  refusal: ({ head }) => (head.kind === "encoder" ? undefined : "it was not made to give vectors"),
  learns: false,

  options,
  check: checkText,
  rows: () => 1,
  length: (text) => text.length,
  encode: async ({ tokenizer }, text) => {
    const row = await tokenizer.encode(text);
    return { rows: [row], truncated: row.truncated, notes: undefined };
  },
  answer: ({ normalize }, [pooled], { dimensions: asked = pooled!.length }) => {
    requireFiniteOutput(pooled!, "the vector");
    if (asked > pooled!.length)
      throw new LockstepError(
        "INPUT_INVALID",
        `${asked} dimensions were asked for, and vectors of this version have ${pooled!.length}`,
        { dimensions: asked, most: pooled!.length },
      );
    return { embedding: embeddingOf(pooled!, asked, normalize), digest: digestBits(pooled!) };
  },

  route: "/v1/embed",
  body,
  ofBody: (parsed) => ({ questions: textsOf(parsed), options: { dimensions: parsed.dimensions } }),
  wire,
  toWire: ({ embedding, truncated }) => ({ embedding: shortNumbers(embedding), truncated }),

  record: (text, { dimensions: asked }) => ({ text, ...(asked === undefined ? {} : { dimensions: asked }) }),
  recall: (record) => {
    const { text, ...rest } = parseOptions(recorded, record, "a recorded question", "LOG_CORRUPT");
    return { question: text, options: rest };
  },
  summary: ({ embedding, truncated }) => ({ embedding: shortNumbers(embedding), truncated }),
  laterFields: [],

  ofText: (text) => text,
  anyText: true,
};
