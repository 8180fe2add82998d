/** How answers of each task are shown, in one table. */
import type { Question, QuestionAnswer, TaskName, TaskOptions } from "../api/index.ts";
import { percent } from "./output.ts";

type Cell = string | number | boolean;

/** Flags that some tasks take, as they were given. */
export interface OwnOptions {
  readonly top?: number | undefined;
  readonly threshold?: number | undefined;
  readonly dimensions?: number | undefined;
}

/** Labels or words that are listed where nobody says how many. */
const TOP = 3;

interface View<T extends TaskName> {
  /** Those that mean something to the task; the others are refused. */
  readonly takes: readonly (keyof OwnOptions)[];
  readonly options: (given: OwnOptions) => TaskOptions<T>;
  /** Names of the columns, and the lines of one answer. */
  readonly columns: readonly string[];
  readonly rows: (answer: QuestionAnswer<T>) => readonly (readonly Cell[])[];
  /** Lines for people, below the question. */
  readonly lines: (answer: QuestionAnswer<T>) => readonly string[];
  /** What `--json` has of an answer beside what was asked. */
  readonly json: (answer: Omit<QuestionAnswer<T>, "question">) => object;
}

interface Probable {
  readonly label: string;
  readonly probability: number;
}

const listed = (labels: readonly Probable[]): string =>
  labels.map(({ label, probability }) => `${label} ${percent(probability)}`).join(", ");

const VIEWS: { readonly [T in TaskName]: View<T> } = {
  classify: {
    takes: ["top"],
    options: ({ top = TOP }) => ({ topK: top }),
    columns: ["text", "label", "probability", "abstained", "version"],
    rows: ({ question, label, probability, abstained, version }) => [
      [shown(question), label, probability, abstained, version],
    ],
    lines: ({ abstained, top }) => [`${abstained ? "(abstains) " : ""}${listed(top)}`],
    json: (answer) => answer,
  },
  "multi-label": {
    takes: ["top", "threshold"],
    options: ({ top = TOP, threshold }) => ({ topK: top, threshold }),
    columns: ["text", "label", "probability", "version"],
    rows: ({ question, labels, version }) =>
      labels.map(({ label, probability }) => [shown(question), label, probability, version]),
    lines: ({ labels, top }) => [labels.length === 0 ? `(none) ${listed(top)}` : listed(labels)],
    json: (answer) => answer,
  },
  score: {
    takes: [],
    options: () => ({}),
    columns: ["text", "score", "version"],
    rows: ({ question, score, version }) => [[shown(question), score, version]],
    lines: ({ score }) => [score.toFixed(4)],
    json: (answer) => answer,
  },
  rerank: {
    takes: ["top"],
    options: ({ top }) => ({ topK: top }),
    columns: ["query", "document", "index", "score", "version"],
    rows: ({ question: { query, documents }, ranking, version }) =>
      ranking.map(({ index, score }) => [query, documents[index]!, index, score, version]),
    lines: ({ question: { documents }, ranking }) =>
      ranking.map(({ index, score }, place) => `${place + 1}. ${documents[index]!} (${score.toFixed(4)})`),
    json: (answer) => answer,
  },
  "token-classify": {
    takes: [],
    options: () => ({}),
    columns: ["text", "span", "label", "start", "end", "probability", "version"],
    rows: ({ question, spans, version }) =>
      spans.map(({ text, label, start, end, probability }) => [
        question,
        text,
        label,
        start,
        end,
        probability,
        version,
      ]),
    lines: ({ spans }) =>
      spans.map(
        ({ text, label, start, end, probability }) => `${label} ${text} (${start}-${end}, ${percent(probability)})`,
      ),
    json: (answer) => answer,
  },
  embed: {
    takes: ["dimensions"],
    options: ({ dimensions }) => ({ dimensions }),
    columns: ["text", "embedding", "version"],
    rows: ({ question, embedding, version }) => [[question, Array.from(embedding).join(" "), version]],
    lines: ({ embedding }) => [
      `${embedding.length} numbers: ${Array.from(embedding.subarray(0, 8), (value) => value.toFixed(4)).join(" ")} …`,
    ],
    json: ({ embedding, ...answer }) => ({ embedding: Array.from(embedding), ...answer }),
  },
  similarity: {
    takes: [],
    options: () => ({}),
    columns: ["text", "pair", "similarity", "version"],
    rows: ({ question: { text, pair }, similarity, version }) => [[text, pair, similarity, version]],
    lines: ({ similarity }) => [similarity.toFixed(4)],
    json: (answer) => answer,
  },
  "fill-mask": {
    takes: ["top"],
    options: ({ top = TOP }) => ({ topK: top }),
    columns: ["text", "mask", "token", "id", "probability", "version"],
    rows: ({ question, masks, version }) =>
      masks.flatMap(({ top }, mask) =>
        top.map(({ token, id, probability }) => [question, mask, token, id, probability, version]),
      ),
    lines: ({ masks }) =>
      masks.map(({ top }) => listed(top.map(({ token, probability }) => ({ label: token, probability })))),
    json: (answer) => answer,
  },
  perplexity: {
    takes: [],
    options: () => ({}),
    columns: ["text", "perplexity", "log_likelihood", "tokens", "version"],
    rows: ({ question, perplexity, logLikelihood, tokens, version }) => [
      [question, perplexity, logLikelihood, tokens, version],
    ],
    lines: ({ perplexity, tokens }) => [`${perplexity.toFixed(4)} over ${tokens} tokens`],
    json: (answer) => answer,
  },
};

export function viewOf<T extends TaskName>(task: T): View<T> {
  return VIEWS[task];
}

/** A question on one line. */
export function shown(question: Question<TaskName>): string {
  if (typeof question === "string") return question;
  return "query" in question ? question.query : `${question.text} | ${question.pair}`;
}
