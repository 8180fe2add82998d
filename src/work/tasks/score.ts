/** The task `score`: one number of a text or a pair of texts (a regression, or a cross-encoder's relevance). */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import type { Activation } from "../infer/index.ts";
import { digestBits } from "./digest.ts";
import { sigmoid } from "./sigmoid.ts";
import type { Task, TaskAnswer, TaskTypes } from "./task.ts";
import { questionsOf, textOrPairRecord, TEXT_OR_PAIR, textOrPairRequest, type TextOrPair } from "./text.ts";
import { requireFiniteOutput } from "./vectors.ts";
import { TRUNCATED } from "./wire.ts";

const options = z.strictObject({});
const body = textOrPairRequest({});
const wire = z.object({
  score: z.number().meta({ description: "The model's number; what it means, its training says." }),
  truncated: TRUNCATED,
});
const recorded = z.object(textOrPairRecord.fields);

export interface Score extends TaskAnswer {
  /** What the version's `info.activation` makes of its output: any number, or 0 to 1. */
  readonly score: number;
}

export interface ScoreTypes extends TaskTypes {
  readonly question: TextOrPair;
  readonly options: z.output<typeof options>;
  readonly asked: z.input<typeof options>;
  readonly answer: Score;
  readonly body: z.output<typeof body>;
  readonly wire: z.output<typeof wire>;
  readonly notes: undefined;
}

const ACTIVATE: { readonly [A in Activation]: (x: number) => number } = { identity: (x) => x, sigmoid };

/** The one number of a row. */
export function scoreOf(activation: Activation, output: Float32Array): number {
  requireFiniteOutput(output, "the score");
  return ACTIVATE[activation](output[0]!);
}

export const score: Task<"score", ScoreTypes> = {
  ...TEXT_OR_PAIR,
  name: "score",
  about: "Gives the score of a text or a pair of texts, or of up to 64.",
  format: 1,
  refusal: ({ task }) => (task === "score" ? undefined : "it was not made to give a score"),
  learns: false,

  options,
  answer: ({ activation }, [output]) => ({ score: scoreOf(activation, output!), digest: digestBits(output!) }),

  route: "/v1/score",
  body,
  ofBody: (parsed) => ({ questions: questionsOf(parsed), options: {} }),
  wire,
  toWire: ({ score: value, truncated }) => ({ score: value, truncated }),

  record: textOrPairRecord.of,
  recall: (record) => {
    const parsed = parseOptions(recorded, record, "a recorded question", "LOG_CORRUPT");
    return { question: textOrPairRecord.question(parsed), options: {} };
  },
  summary: ({ score: value, truncated }) => ({ score: value, truncated }),
  laterFields: [],
};
