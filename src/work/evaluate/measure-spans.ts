/**
 * How right the entities are that a version finds, counted as the CoNLL evaluation does: an entity is right when it has
 * the very words and the kind of the one wanted. A word has the tag of its first token, as in training; words that the
 * version did not read have none.
 */
import {
  cellsOf,
  entitiesOf,
  tagIds,
  wordPlaces,
  wordsOf,
  type Table,
  type TaggedWords,
} from "../../language/data/index.ts";
import type { TaskVersion } from "../tasks/index.ts";
import { estimates, ratio, type Estimate } from "./bootstrap.ts";
import { fitTemperature } from "./calibrate.ts";
import { Found, macroF1Of, microF1, microPrecision, microRecall, scoresByKind } from "./f1.ts";
import { mistakes, type Mistake, type NamedScores } from "./measure-classes.ts";
import type { Gold, Measure } from "./measure.ts";
import {
  confidences,
  expectedCalibrationError,
  negativeLogLikelihood,
  predictedClasses,
  type Scores,
} from "./probabilities.ts";

/** With intervals by the bootstrap over sentences; null where nothing is to be found and nothing was. */
export interface SpanFigures {
  readonly entityF1: Estimate | null;
  readonly entityPrecision: Estimate | null;
  readonly entityRecall: Estimate | null;
  /** Over the kinds that occur, each counting the same. */
  readonly macroF1: Estimate | null;
  /** Share of the words with the right tag; most have none, so it flatters. */
  readonly wordAccuracy: Estimate;
  /** Of the words' tags: mean, in nats, and mean distance of confidence from accuracy; null where no word was read. */
  readonly negativeLogLikelihood: number | null;
  readonly expectedCalibrationError: number | null;
  /** By kind of entity, in the order of UTF-16 code units. */
  readonly classes: readonly NamedScores[];
  /** The most frequent mistakes, word by word. */
  readonly confusions: readonly Mistake[];
  /** Words that were not read, their sentence being too long. */
  readonly unreadWords: number;
  /** Sentences of which only a part was read. */
  readonly truncated: number;
}

export interface SpanRow {
  /** Tag of each word. */
  readonly expected: readonly number[];
  /** Places of the words that were read, and their logits [words read, tags]. */
  readonly read: readonly number[];
  readonly logits: Float32Array;
  readonly truncated: boolean;
}

/** A sentence as a text, and the tag of each of its words. */
function goldOf(table: Table, { labels }: TaskVersion): Gold<"token-classify", TaggedWords> {
  const idOf = new Map(labels.map((label, id) => [label, id]));
  const expected = cellsOf(table, "tags").map((cell, row) => tagIds(table, row, wordsOf(cell), idOf));
  return { questions: expected.map(({ words }) => words.join(" ")), expected };
}

/** `Expected`: the words, and the tag of each. */
export const measureSpans: Measure<"token-classify", TaggedWords, SpanRow, SpanFigures> = {
  label: false,
  roles: { tags: "needed" },
  gold: goldOf,
  row: ({ labels }, { outputs, encoded: { notes, truncated } }, { words, classes }) => {
    const places = wordPlaces(words);
    const tokenOf = new Map<number, number>();
    // what the task calls a word is a part of one of the table's
    for (const { token, end } of notes.words) {
      const word = places[end - 1]!;
      if (word >= 0 && !tokenOf.has(word)) tokenOf.set(word, token);
    }
    const read = [...tokenOf.keys()];
    const logits = new Float32Array(read.length * labels.length);
    read.forEach((word, index) => {
      const at = tokenOf.get(word)! * labels.length;
      logits.set(outputs[0]!.subarray(at, at + labels.length), index * labels.length);
    });
    return { expected: classes, read, logits, truncated };
  },
  figures: (rows, { labels, calibration: { temperature } }, { confusions }) => {
    const kinds = [...new Set(labels.map((tag) => kindOf(tag)).filter((kind) => kind !== undefined))].sort();
    const found = new Found(kinds.length);
    const words = new Int32Array(rows.length);
    const right = new Int32Array(rows.length);
    rows.forEach((one, row) => {
      const wanted = one.expected.map((tag) => labels[tag]!);
      const given = wanted.map(() => OUTSIDE);
      if (one.read.length > 0)
        predictedClasses(scoresOf([one], labels.length)).forEach((tag, index) => {
          given[one.read[index]!] = labels[tag]!;
        });
      words[row] = wanted.length;
      right[row] = wanted.filter((tag, word) => tag === given[word]).length;
      const [wantedEntities, givenEntities] = [entitiesOf(wanted), entitiesOf(given)];
      for (const entity of wantedEntities.union(givenEntities))
        found.add(
          row,
          kinds.indexOf(entity.slice(entity.indexOf(" ", entity.indexOf(" ") + 1) + 1)),
          wantedEntities.has(entity),
          givenEntities.has(entity),
        );
    });
    const { entityF1, entityPrecision, entityRecall, macroF1, wordAccuracy } = estimates(rows.length, {
      entityF1: microF1(found),
      entityPrecision: microPrecision(found),
      entityRecall: microRecall(found),
      macroF1: macroF1Of(found),
      wordAccuracy: ratio(right, words),
    });
    const scores = scoresOf(rows, labels.length);
    const expected = expectedOf(rows);
    const isRead = expected.length > 0;
    return {
      entityF1,
      entityPrecision,
      entityRecall,
      macroF1,
      wordAccuracy: wordAccuracy!,
      negativeLogLikelihood: isRead ? negativeLogLikelihood(scores, expected, temperature) : null,
      expectedCalibrationError: isRead ? expectedCalibrationError(confidences(scores, expected, temperature)) : null,
      classes: scoresByKind(found, rows.length).map((one, kind) => ({ label: kinds[kind]!, ...one })),
      confusions: isRead ? mistakes(predictedClasses(scores), expected, labels, confusions) : [],
      unreadWords: rows.reduce((sum, { expected: all, read }) => sum + all.length - read.length, 0),
      truncated: rows.filter(({ truncated }) => truncated).length,
    };
  },
  kept: (figures) => ({
    ...(figures.entityF1 === null ? {} : { entity_f1: figures.entityF1 }),
    ...(figures.entityPrecision === null ? {} : { entity_precision: figures.entityPrecision }),
    ...(figures.entityRecall === null ? {} : { entity_recall: figures.entityRecall }),
    word_accuracy: figures.wordAccuracy,
    ...(figures.negativeLogLikelihood === null ? {} : { negative_log_likelihood: figures.negativeLogLikelihood }),
    ...(figures.expectedCalibrationError === null
      ? {}
      : { expected_calibration_error: figures.expectedCalibrationError }),
  }),
  calibrate: {
    noun: "words",
    count: (rows) => rows.reduce((sum, { read }) => sum + read.length, 0),
    otherwise: { temperature: 1, threshold: 0 },
    fit: (rows, { labels }) => ({
      temperature: fitTemperature(scoresOf(rows, labels.length), expectedOf(rows)),
      threshold: 0,
    }),
  },
};

const OUTSIDE = "O";

/** What kind of entity a tag is of; undefined: of none. */
function kindOf(tag: string): string | undefined {
  return tag === OUTSIDE ? undefined : (/^[BI]-(.+)$/s.exec(tag)?.[1] ?? tag);
}

/** Of all words that were read, one after another. */
function scoresOf(rows: readonly SpanRow[], numClasses: number): Scores {
  const logits = new Float32Array(rows.reduce((sum, row) => sum + row.logits.length, 0));
  let at = 0;
  for (const row of rows) {
    logits.set(row.logits, at);
    at += row.logits.length;
  }
  return { logits, numClasses };
}

function expectedOf(rows: readonly SpanRow[]): Int32Array {
  return Int32Array.from(rows.flatMap(({ expected, read }) => read.map((word) => expected[word]!)));
}
