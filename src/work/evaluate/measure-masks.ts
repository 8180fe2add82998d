/** How well a masked language model fills masks of which a table has the right words. */
import { exp, log, LockstepError } from "../../base/index.ts";
import { cellsOf, type Table } from "../../language/data/index.ts";
import type { TaskVersion } from "../tasks/index.ts";
import { estimates, ratio, type Estimate } from "./bootstrap.ts";
import type { Gold, Measure } from "./measure.ts";

/** Over all masks, with intervals by the bootstrap over texts. */
export interface MaskFigures {
  /** Share of the masks of which the right token is the likeliest. */
  readonly accuracy: Estimate;
  /** Share of the masks of which it is among the five likeliest. */
  readonly accuracyAt5: Estimate;
  /** Mean of 1 / its place among all tokens. */
  readonly mrr: Estimate;
  /** Mean of -log p(right token), in nats; e to that is the perplexity. */
  readonly negativeLogLikelihood: Estimate;
  readonly perplexity: Estimate;
  readonly masks: number;
  /** Texts of which only a part was read. */
  readonly truncated: number;
}

export interface MaskRow {
  /** Of each mask: -log p of the right token, and its place among all, from 1. */
  readonly losses: readonly number[];
  readonly places: readonly number[];
  readonly truncated: boolean;
}

/** Where a cell has the words of several masks, this stands between them. */
const BETWEEN = "|";

async function goldOf(table: Table, version: TaskVersion): Promise<Gold<"fill-mask", readonly number[]>> {
  const mask = maskOf(version);
  const expected: (readonly number[])[] = [];
  const answers = cellsOf(table, "answer");
  for (const [row, text] of table.texts.entries()) {
    const where = `line ${table.lines[row]} of ${table.path} (row ${row + 1})`;
    const details = { path: table.path, line: table.lines[row] ?? null };
    const before = text.split(mask).slice(0, -1);
    const words = before.length === 1 ? [answers[row]!] : answers[row]!.split(BETWEEN);
    if (before.length === 0 || words.length !== before.length)
      throw new LockstepError(
        "DATA_INVALID",
        `${where} has ${before.length} masks (${mask}) and ${words.length} answers; give one word a mask, with ` +
          `${BETWEEN} between them`,
        details,
      );
    const ids: number[] = [];
    for (const [at, word] of words.entries()) {
      const id = await tokenOf(version, word.trim(), /\s$/.test(before[at]!));
      if (id === undefined)
        throw new LockstepError(
          "DATA_INVALID",
          `${where}: ${JSON.stringify(word.trim().slice(0, 60))} is not one token of this version, so no mask can ` +
            "stand for it; leave the row out",
          details,
        );
      ids.push(id);
    }
    expected.push(ids);
  }
  return { questions: table.texts, expected };
}

/** @throws INPUT_INVALID: the version has none */
export function maskOf({ tokenizer }: TaskVersion): string {
  const { mask } = tokenizer.special;
  if (mask < 0) throw new LockstepError("INPUT_INVALID", "this version's tokenizer has no mask token");
  return tokenizer.decode([mask], { skipSpecialTokens: false });
}

/** The one token that a word is, with the space before it where there is one; undefined: it is several. */
async function tokenOf({ tokenizer }: TaskVersion, word: string, spaced: boolean): Promise<number | undefined> {
  const special = new Set(Object.values(tokenizer.special));
  const { ids } = await tokenizer.encode(spaced ? ` ${word}` : word);
  const own = [...ids].filter((id) => !special.has(id));
  return own.length === 1 ? own[0] : undefined;
}

/** `Expected`: the right token of each mask. */
export const measureMasks: Measure<"fill-mask", readonly number[], MaskRow, MaskFigures> = {
  label: false,
  roles: { answer: "needed" },
  gold: goldOf,
  row: (_, { outputs, encoded: { notes: count, truncated } }, expected) => {
    const logits = outputs[0]!;
    const width = logits.length / count;
    const read = expected
      .slice(0, count)
      .map((id, mask) => lossAndPlace(logits.subarray(mask * width, (mask + 1) * width), id));
    return { losses: read.map(({ loss }) => loss), places: read.map(({ place }) => place), truncated };
  },
  figures: (rows) => {
    const sums = (each: (row: MaskRow) => readonly number[]): Float64Array =>
      Float64Array.from(rows, (row) => each(row).reduce((sum, one) => sum + one, 0));
    const masks = sums(({ places }) => places.map(() => 1));
    const loss = ratio(
      sums(({ losses }) => losses),
      masks,
    );
    const figures = estimates(rows.length, {
      accuracy: ratio(
        sums(({ places }) => places.map((place) => (place === 1 ? 1 : 0))),
        masks,
      ),
      accuracyAt5: ratio(
        sums(({ places }) => places.map((place) => (place <= 5 ? 1 : 0))),
        masks,
      ),
      mrr: ratio(
        sums(({ places }) => places.map((place) => 1 / place)),
        masks,
      ),
      negativeLogLikelihood: loss,
      perplexity: (counts) => exp(loss(counts)),
    });
    return {
      accuracy: figures.accuracy!,
      accuracyAt5: figures.accuracyAt5!,
      mrr: figures.mrr!,
      negativeLogLikelihood: figures.negativeLogLikelihood!,
      perplexity: figures.perplexity!,
      masks: masks.reduce((sum, one) => sum + one, 0),
      truncated: rows.filter(({ truncated }) => truncated).length,
    };
  },
  kept: ({ accuracy, negativeLogLikelihood }) => ({ accuracy, negative_log_likelihood: negativeLogLikelihood.value }),
};

/** -log softmax(logits)[id], and how many stand before it; of equal logits the smaller id stands first. */
function lossAndPlace(logits: Float32Array, id: number): { readonly loss: number; readonly place: number } {
  let largest = -Infinity;
  for (const logit of logits) largest = Math.max(largest, logit);
  const own = logits[id]!;
  let sum = 0;
  let place = 1;
  logits.forEach((logit, other) => {
    sum += exp(logit - largest);
    if (logit > own || (logit === own && other < id)) place++;
  });
  const loss = log(sum) - (own - largest);
  if (!Number.isFinite(loss)) throw new LockstepError("NON_FINITE", "the logits of a mask are not finite");
  return { loss, place };
}
