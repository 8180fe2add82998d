/** The data sets as they are published, as files that Lockstep reads: each by one function into a folder. */
import { createHash } from "node:crypto";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface Files {
  readonly train: string;
  /** Absent: the figure is of the training itself. */
  readonly test?: string;
  /** Of the test file's pairs: how alike people found them. */
  readonly gold?: readonly number[];
}

/** Makes the files in `scratch` out of what lies in `data`, a data set's folder. */
export type Prepare = (data: string, scratch: string) => Promise<Files>;

/** Has `train.csv` and `test.csv`, with the columns text and category. */
export const banking: Prepare = async (data) => ({
  train: join(data, "train.csv"),
  test: join(data, "test.csv"),
});

/** The intents alone: train and test of the full data set, without what is out of scope. */
export const clinc: Prepare = async (data, scratch) => {
  const all = JSON.parse(await readFile(join(data, "data_full.json"), "utf8")) as Record<
    "train" | "test",
    readonly (readonly [text: string, intent: string])[]
  >;
  return {
    train: await csv(join(scratch, "train.csv"), ["text", "intent"], all.train),
    test: await csv(join(scratch, "test.csv"), ["text", "intent"], all.test),
  };
};

/** The tags as they are: the test file has one a word, as the training file. */
export const wnut: Prepare = async (data, scratch) => {
  const train = join(scratch, "train.conll");
  const test = join(scratch, "test.conll");
  await copyFile(join(data, "wnut17train.conll"), train);
  await copyFile(join(data, "emerging.test.annotated"), test);
  return { train, test };
};

/** One in five sentences is tested on, chosen by the SHA-256 of its text; sentences that stand there twice, once. */
export function phrasebank(file: string): Prepare {
  return async (data, scratch) => {
    const text = new TextDecoder("latin1").decode(await readFile(join(data, file)));
    const seen = new Map(
      text
        .split(/\r?\n/)
        .filter((line) => line !== "")
        .map((line) => [line.slice(0, line.lastIndexOf("@")).trim(), line.slice(line.lastIndexOf("@") + 1)] as const),
    );
    const isTested = (sentence: string): boolean => createHash("sha256").update(sentence).digest()[0]! % 5 === 0;
    const rows = [...seen];
    return {
      train: await csv(
        join(scratch, "train.csv"),
        ["text", "label"],
        rows.filter(([sentence]) => !isTested(sentence)),
      ),
      test: await csv(
        join(scratch, "test.csv"),
        ["text", "label"],
        rows.filter(([sentence]) => isTested(sentence)),
      ),
    };
  };
}

const GENRES = ["answer-answer", "headlines", "plagiarism", "postediting", "question-question"];
/** Of its pairs, two sentences belong together by where they come from: reports of one event. */
const PARAPHRASES = "headlines";

/**
 * Tested on every pair that people scored, all genres together. Trained on the pairs of one genre that nobody scored,
 * without any that has a sentence of a scored one: no score is ever trained on.
 */
export const sts: Prepare = async (data, scratch) => {
  const pairs = (
    await Promise.all(
      GENRES.map(async (genre) => {
        const [input, gold] = await Promise.all(
          ["input", "gs"].map((kind) => readFile(join(data, `STS.${kind}.${genre}.txt`), "utf8")),
        );
        const scores = gold!.split(/\r?\n/);
        return input!
          .split(/\r?\n/)
          .filter((line) => line !== "")
          .map((line, row) => {
            const [first = "", second = ""] = line.split("\t");
            return { genre, first, second, score: scores[row]?.trim() ?? "" };
          });
      }),
    )
  ).flat();
  const scored = pairs.filter(({ score }) => score !== "");
  const known = new Set(scored.flatMap(({ first, second }) => [first, second]));
  const taken = new Set<string>();
  const train = pairs.filter(({ genre, first, second, score }) => {
    const isNew = ![first, second].some((text) => known.has(text) || taken.has(text)) && first !== second;
    if (score !== "" || genre !== PARAPHRASES || !isNew) return false;
    taken.add(first).add(second);
    return true;
  });
  const columns = ({ first, second }: (typeof pairs)[number]) => [first, second] as const;
  return {
    train: await csv(join(scratch, "train.csv"), ["text", "second"], train.map(columns)),
    test: await csv(join(scratch, "test.csv"), ["text", "second"], scored.map(columns)),
    gold: scored.map(({ score }) => Number(score)),
  };
};

/** Each paragraph is a text. */
export const shakespeare: Prepare = async (data) => ({ train: join(data, "input.txt") });

async function csv(path: string, header: readonly string[], rows: readonly (readonly string[])[]): Promise<string> {
  const cell = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  await writeFile(path, [header, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join(""));
  return path;
}
