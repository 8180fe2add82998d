/** The task `rerank`: documents in the order in which they answer a query, each scored with it by a cross-encoder. */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { digestBits } from "./digest.ts";
import { scoreOf } from "./score.ts";
import type { Task, TaskAnswer, TaskTypes } from "./task.ts";
import { checkOneText } from "./text.ts";
import { MAX_TEXTS, TRUNCATED, wireRequest, wireText } from "./wire.ts";

/** Documents of one question, here and over HTTP. */
const MAX_DOCUMENTS = 1024;

const most = z.int().min(1).max(MAX_DOCUMENTS).optional();

const options = z.strictObject({
  /** Documents to list, best first, 1 to 1024. @default all of them */
  topK: most,
});

const body = wireRequest(
  {
    query: wireText.meta({ description: "What is looked for." }),
    documents: z.array(wireText).min(1).max(MAX_TEXTS).meta({ description: "Texts to put in order." }),
  },
  { top_k: most.meta({ description: "How many documents to list, best first; all of them without." }) },
);

const ranked = z.object({
  index: z.int().meta({ description: "The document's place in the request, from 0." }),
  score: z.number(),
});
const wire = z.object({ ranking: z.array(ranked).meta({ description: "Best first." }), truncated: TRUNCATED });
const recorded = z.object({ query: z.string(), documents: z.array(z.string()), top_k: most });

export interface RerankQuestion {
  readonly query: string;
  readonly documents: readonly string[];
}

export interface Ranking extends TaskAnswer {
  /** Best first; of equal scores, the earlier document. */
  readonly ranking: readonly { readonly index: number; readonly score: number }[];
}

export interface RerankTypes extends TaskTypes {
  readonly question: RerankQuestion;
  readonly options: z.output<typeof options>;
  readonly asked: z.input<typeof options>;
  readonly answer: Ranking;
  readonly body: z.output<typeof body>;
  readonly wire: z.output<typeof wire>;
  readonly notes: undefined;
}

function check(question: unknown, what: string): asserts question is RerankQuestion {
  const { query, documents } = (question ?? {}) as Partial<Record<string, unknown>>;
  checkOneText(query, `the query of ${what}`);
  if (!Array.isArray(documents) || documents.length === 0 || documents.length > MAX_DOCUMENTS)
    throw new LockstepError("INPUT_INVALID", `${what} has no list of 1 to ${MAX_DOCUMENTS} documents`, { what });
  documents.forEach((document: unknown, index) => {
    checkOneText(document, `document ${index} of ${what}`);
  });
}

export const rerank: Task<"rerank", RerankTypes> = {
  name: "rerank",
  noun: "question",
  about: "Puts up to 64 documents in the order in which they answer a query.",
  format: 1,
  refusal: ({ task }) => (task === "score" ? undefined : "it was not made to score a pair of texts"),
  learns: false,

  options,
  check,
  rows: ({ documents }) => documents.length,
  length: ({ query, documents }) => documents.reduce((sum, { length }) => sum + length + query.length, 0),
  encode: async ({ tokenizer }, { query, documents }) => {
    const rows = [];
    for (const pair of documents) rows.push(await tokenizer.encode(query, { pair }));
    return { rows, truncated: rows.some(({ truncated }) => truncated), notes: undefined };
  },
  answer: ({ activation }, outputs, { topK }) => {
    const scored = outputs.map((output, index) => ({ index, score: scoreOf(activation, output) }));
    const ranking = scored.sort((a, b) => b.score - a.score || a.index - b.index).slice(0, topK);
    return { ranking, digest: digestBits(...outputs) };
  },

  route: "/v1/rerank",
  body,
  ofBody: ({ query, documents, top_k: topK }) => ({ questions: [{ query, documents }], options: { topK } }),
  wire,
  toWire: ({ ranking, truncated }) => ({ ranking: ranking.map((one) => ({ ...one })), truncated }),

  record: ({ query, documents }, { topK }) => ({
    query,
    documents: [...documents],
    ...(topK === undefined ? {} : { top_k: topK }),
  }),
  recall: (record) => {
    const { query, documents, top_k: topK } = parseOptions(recorded, record, "a recorded question", "LOG_CORRUPT");
    return { question: { query, documents }, options: { topK } };
  },
  summary: ({ ranking, truncated }) => ({ ranking: ranking.map((one) => ({ ...one })), truncated }),
  laterFields: [],

  ofText: undefined,
  anyText: false,
};
