/**
 * How well a language model foresees texts. What is scored, and what a masked model's figures are, the task says; words
 * and bytes are counted of that part of a text that the scored tokens come from, so figures of models with other
 * tokenizers can be compared.
 */
import { exp, log } from "../../base/index.ts";
import { TASKS } from "../tasks/index.ts";
import { estimates, ratio, type Estimate } from "./bootstrap.ts";
import type { Measure } from "./measure.ts";

/** Over all texts together, with intervals by the bootstrap over texts. */
export interface PerplexityFigures {
  /** Mean of -log p of a token, in nats; e to that is the perplexity. */
  readonly negativeLogLikelihood: Estimate;
  readonly perplexity: Estimate;
  /** e to the mean of a word (what stands between white space); null where there is no word. */
  readonly wordPerplexity: Estimate | null;
  /** In bits, of a byte of the text in UTF-8; null where there is none. */
  readonly bitsPerByte: Estimate | null;
  readonly tokens: number;
  readonly words: number;
  readonly bytes: number;
  /** Texts of which only a part was read. */
  readonly truncated: number;
}

export interface PerplexityRow {
  readonly loss: number;
  readonly tokens: number;
  readonly words: number;
  readonly bytes: number;
  readonly truncated: boolean;
}

/** `Expected`: the text itself. */
export const measurePerplexity: Measure<"perplexity", string, PerplexityRow, PerplexityFigures> = {
  label: false,
  roles: {},
  paragraphs: true,
  gold: ({ texts }) => ({ questions: texts, expected: texts }),
  row: (version, { outputs, encoded: { notes, truncated } }, text) => {
    const { logLikelihood, tokens } = TASKS.perplexity.answer(version, outputs, {}, notes);
    const part = text.slice(notes.from, notes.to);
    return {
      loss: -logLikelihood,
      tokens,
      words: part.split(/\s+/).filter((word) => word !== "").length,
      bytes: Buffer.byteLength(part),
      truncated,
    };
  },
  figures: (rows) => {
    const of = (key: "loss" | "tokens" | "words" | "bytes"): Float64Array => Float64Array.from(rows, (row) => row[key]);
    const sum = (values: Float64Array): number => values.reduce((all, one) => all + one, 0);
    const [loss, tokens, words, bytes] = [of("loss"), of("tokens"), of("words"), of("bytes")];
    const [perToken, perWord, perByte] = [ratio(loss, tokens), ratio(loss, words), ratio(loss, bytes)];
    const figures = estimates(rows.length, {
      negativeLogLikelihood: perToken,
      perplexity: (counts) => exp(perToken(counts)),
      wordPerplexity: (counts) => finite(exp(perWord(counts))),
      bitsPerByte: (counts) => finite(perByte(counts) / LN_2),
    });
    return {
      negativeLogLikelihood: figures.negativeLogLikelihood!,
      perplexity: figures.perplexity!,
      wordPerplexity: figures.wordPerplexity,
      bitsPerByte: figures.bitsPerByte,
      tokens: sum(tokens),
      words: sum(words),
      bytes: sum(bytes),
      truncated: rows.filter(({ truncated }) => truncated).length,
    };
  },
  kept: ({ negativeLogLikelihood, perplexity, wordPerplexity, bitsPerByte }) => ({
    negative_log_likelihood: negativeLogLikelihood,
    perplexity,
    ...(wordPerplexity === null ? {} : { word_perplexity: wordPerplexity }),
    ...(bitsPerByte === null ? {} : { bits_per_byte: bitsPerByte }),
  }),
};

const LN_2 = log(2);

/** What divides by nothing is not defined. */
function finite(value: number): number {
  return Number.isFinite(value) ? value : NaN;
}
