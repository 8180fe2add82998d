/** Questions to every task, and which version they are for. */
import type { VersionTask } from "../../src/work/infer/index.ts";
import type { Question, TaskName, TypesOf } from "../../src/work/tasks/index.ts";

export const TEXTS = [
  "my card has not arrived",
  "cash",
  "can i have a loan, please?",
  "a card, a loan and a card of cash was not given to my card",
];
export const PAIRS = TEXTS.map((text, i) => ({ text, pair: TEXTS[(i + 1) % TEXTS.length]! }));

export const MASKED = TEXTS.map((text) => `[MASK] ${text} [MASK]`);

export interface Asked<T extends TaskName> {
  readonly of: VersionTask;
  readonly questions: readonly Question<T>[];
  /** The same in one body. */
  readonly body: object;
  readonly options: TypesOf[T]["options"];
}

export const ASKED: { readonly [T in TaskName]: Asked<T> } = {
  classify: { of: "classify", questions: [...TEXTS, ...PAIRS], body: { texts: TEXTS, top_k: 2 }, options: { topK: 2 } },
  "multi-label": {
    of: "multi-label",
    questions: [...TEXTS, ...PAIRS],
    body: { texts: TEXTS, threshold: 0.25 },
    options: { topK: 5, threshold: 0.25 },
  },
  score: {
    of: "score",
    questions: PAIRS,
    body: { pairs: PAIRS.map(({ text, pair }) => ({ text, text_pair: pair })) },
    options: {},
  },
  rerank: {
    of: "score",
    questions: TEXTS.map((query) => ({ query, documents: TEXTS })),
    body: { query: TEXTS[0], documents: TEXTS, top_k: 3 },
    options: { topK: 3 },
  },
  "token-classify": { of: "token-classify", questions: TEXTS, body: { texts: TEXTS }, options: {} },
  embed: { of: "embed", questions: TEXTS, body: { texts: TEXTS, dimensions: 5 }, options: { dimensions: 5 } },
  similarity: {
    of: "embed",
    questions: PAIRS,
    body: { pairs: PAIRS.map(({ text, pair }) => ({ text, text_pair: pair })) },
    options: {},
  },
  "fill-mask": {
    of: "masked-lm",
    questions: MASKED,
    body: { texts: MASKED, top_k: 2 },
    options: { topK: 2 },
  },
  perplexity: { of: "masked-lm", questions: TEXTS, body: { texts: TEXTS }, options: {} },
};
