/** The task `similarity`: how close the vectors of two texts lie (a bi-encoder: each text is embedded by itself). */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import { digestBits } from "./digest.ts";
import type { Task, TaskAnswer, TaskTypes } from "./task.ts";
import {
  checkPair,
  isOnePairWay,
  lengthOf,
  ONE_PAIR_WAY,
  pairFields,
  pairsOf,
  recordedPair,
  textOrPairRecord,
  type TextPair,
} from "./text.ts";
import { cosine, requireFiniteOutput } from "./vectors.ts";
import { TRUNCATED, wireRequest } from "./wire.ts";

const options = z.strictObject({});
const body = wireRequest(pairFields, {}).refine(isOnePairWay, ONE_PAIR_WAY);
const wire = z.object({
  similarity: z.number().meta({ description: "Cosine of the angle between the two vectors, -1 to 1." }),
  truncated: TRUNCATED,
});
const recorded = z.object(recordedPair);

export interface Similarity extends TaskAnswer {
  /** Cosine of the angle between the two vectors, −1 to 1. */
  readonly similarity: number;
}

export interface SimilarityTypes extends TaskTypes {
  readonly question: TextPair;
  readonly options: z.output<typeof options>;
  readonly asked: z.input<typeof options>;
  readonly answer: Similarity;
  readonly body: z.output<typeof body>;
  readonly wire: z.output<typeof wire>;
  readonly notes: undefined;
}

export const similarity: Task<"similarity", SimilarityTypes> = {
  name: "similarity",
  noun: "pair",
  about: "Says how alike two texts are, for one pair or up to 64.",
  format: 1,
  refusal: ({ head }) => (head.kind === "encoder" ? undefined : "it was not made to give vectors"),
  learns: false,

  options,
  check: checkPair,
  rows: () => 2,
  length: lengthOf,
  encode: async ({ tokenizer }, { text, pair }) => {
    const rows = [await tokenizer.encode(text), await tokenizer.encode(pair)];
    return { rows, truncated: rows.some(({ truncated }) => truncated), notes: undefined };
  },
  answer: (_, [first, second]) => {
    requireFiniteOutput(first!, "the first text's vector");
    requireFiniteOutput(second!, "the second text's vector");
    return { similarity: cosine(first!, second!), digest: digestBits(first!, second!) };
  },

  route: "/v1/similarity",
  body,
  ofBody: (parsed) => ({ questions: pairsOf(parsed), options: {} }),
  wire,
  toWire: ({ similarity: value, truncated }) => ({ similarity: value, truncated }),

  record: textOrPairRecord.of,
  recall: (record) => {
    const { text, text_pair: pair } = parseOptions(recorded, record, "a recorded question", "LOG_CORRUPT");
    return { question: { text, pair }, options: {} };
  },
  summary: ({ similarity: value, truncated }) => ({ similarity: value, truncated }),
  laterFields: [],

  ofText: undefined,
  anyText: false,
};
