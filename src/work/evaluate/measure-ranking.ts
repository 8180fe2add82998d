/** How good the order is into which a version puts the documents of a query. */
import { LockstepError } from "../../base/index.ts";
import { cellsOf, numberOf, type Table } from "../../language/data/index.ts";
import { TASKS, type RerankQuestion } from "../tasks/index.ts";
import { estimates, mean, type Estimate } from "./bootstrap.ts";
import type { Gold, Measure } from "./measure.ts";
import { discountedGain, firstIsRelevant, reciprocalRank } from "./ranking.ts";

/**
 * Over the queries with a relevant document, with intervals by the bootstrap over queries; null where no query has one.
 * Documents with equal scores count as in every order alike.
 */
export interface RankingFigures {
  /** Mean of 1 / rank of the first relevant document. */
  readonly mrr: Estimate | null;
  readonly ndcgAt10: Estimate | null;
  /** Over all documents of a query. */
  readonly ndcg: Estimate | null;
  /** How often the first document is relevant. */
  readonly firstIsRelevant: Estimate | null;
  readonly queries: number;
  /** Queries that have no relevant document: nothing is said of them. */
  readonly withoutRelevant: number;
  /** Queries of which some document was read only in part. */
  readonly truncated: number;
}

export interface RankingRow {
  readonly scores: readonly number[];
  readonly relevance: readonly number[];
  readonly truncated: boolean;
}

/** Rows with one text are documents of one query. */
function goldOf(table: Table): Gold<"rerank", readonly number[]> {
  const seconds = cellsOf(table, "second");
  const byQuery = new Map<string, { documents: string[]; relevance: number[] }>();
  cellsOf(table, "score").forEach((cell, row) => {
    const query = table.texts[row]!;
    const own = byQuery.get(query) ?? { documents: [], relevance: [] };
    byQuery.set(query, own);
    const relevance = numberOf(cell, table, row);
    if (relevance < 0)
      throw new LockstepError(
        "DATA_INVALID",
        `line ${table.lines[row]} of ${table.path} (row ${row + 1}) has the relevance ${relevance}; it is 0 or more`,
        { path: table.path, line: table.lines[row] ?? null },
      );
    own.documents.push(seconds[row]!);
    own.relevance.push(relevance);
  });
  const questions: RerankQuestion[] = [];
  const expected: number[][] = [];
  for (const [query, { documents, relevance }] of byQuery) {
    questions.push({ query, documents });
    expected.push(relevance);
  }
  return { questions, expected };
}

/** `Expected`: of each document, how relevant it is, 0 and more. */
export const measureRanking: Measure<"rerank", readonly number[], RankingRow, RankingFigures> = {
  label: false,
  roles: { second: "needed", score: "needed" },
  gold: goldOf,
  row: (version, { outputs, encoded: { truncated, notes } }, relevance) => {
    const { ranking } = TASKS.rerank.answer(version, outputs, { topK: undefined }, notes);
    const scores = new Array<number>(relevance.length);
    for (const { index, score } of ranking) scores[index] = score;
    return { scores, relevance, truncated };
  },
  figures: (rows) => {
    const judged = rows.filter(({ relevance }) => relevance.some((one) => one > 0));
    const figures =
      judged.length === 0
        ? { mrr: null, ndcgAt10: null, ndcg: null, firstIsRelevant: null }
        : estimates(judged.length, {
            mrr: mean(judged.map(({ scores, relevance }) => reciprocalRank(scores, relevance))),
            ndcgAt10: mean(judged.map(({ scores, relevance }) => discountedGain(scores, relevance, 10))),
            ndcg: mean(judged.map(({ scores, relevance }) => discountedGain(scores, relevance))),
            firstIsRelevant: mean(judged.map(({ scores, relevance }) => firstIsRelevant(scores, relevance))),
          });
    return {
      ...figures,
      queries: judged.length,
      withoutRelevant: rows.length - judged.length,
      truncated: rows.filter(({ truncated }) => truncated).length,
    };
  },
  kept: ({ mrr, ndcgAt10 }) => ({
    ...(mrr === null ? {} : { mrr }),
    ...(ndcgAt10 === null ? {} : { ndcg_at_10: ndcgAt10 }),
  }),
};
