/** How good a version is on test data, by task: asked through the public door, as anybody would. */
import { evaluate, loadModel, type Model } from "lockstep";
import { entitiesOf, readTable, wordsOf } from "../../src/language/data/index.ts";
import type { Files } from "./data.ts";

export type FigureName = "accuracy" | "entity F1" | "Spearman";

/** Of the version that the store's alias names, 0 to 1. */
type Figure = (store: string, files: Required<Pick<Files, "test">> & Files) => Promise<number>;

const FIGURES: { readonly [F in FigureName]: Figure } = {
  accuracy: async (store, { test }) => {
    const { accuracy } = await evaluate(store, { data: test, task: "classify" });
    return accuracy.value;
  },
  "entity F1": async (store, { test }) => {
    const sentences = await sentencesOf(test);
    await using model = await loadModel(store);
    const tagged = await each(sentences, async ({ words }) => await tagsOf(model, words));
    return entityF1(
      sentences.map(({ tags }) => tags),
      tagged,
    );
  },
  Spearman: async (store, { test, gold = [] }) => {
    const { texts, cells } = await readTable(test, {
      label: false,
      roles: { second: { name: undefined, need: "needed" } },
    });
    await using model = await loadModel(store);
    const embed = async (text: string) => (await model.embed(text)).embedding;
    const alike = await each([...texts.keys()], async (row) =>
      cosine(await embed(texts[row]!), await embed(cells.second![row]!)),
    );
    return spearman(alike, gold);
  },
};

export async function figureOf(name: FigureName, store: string, files: Files): Promise<number> {
  const { test } = files;
  if (test === undefined) throw new Error(`${name} needs test data`);
  return await FIGURES[name](store, { ...files, test });
}

export async function sentencesOf(
  path: string,
): Promise<readonly { words: readonly string[]; tags: readonly string[] }[]> {
  const { texts, cells } = await readTable(path, {
    label: false,
    roles: { tags: { name: undefined, need: "needed" } },
  });
  return texts.map((cell, row) => ({ words: wordsOf(cell), tags: wordsOf(cells.tags![row]!) }));
}

/** The tag of each word: that of the token it begins with. A word of which no token is left counts as no entity. */
async function tagsOf(model: Model, words: readonly string[]): Promise<readonly string[]> {
  const { words: labelled } = await model.tokenClassify(words.join(" "));
  const labels = new Map(labelled.map(({ start, label }) => [start, label]));
  let start = 0;
  return words.map((word) => {
    const label = labels.get(start) ?? "O";
    start += word.length + 1;
    return label;
  });
}

/** Micro F1 of whole entities, as the CoNLL evaluation counts them. */
export function entityF1(wanted: readonly (readonly string[])[], given: readonly (readonly string[])[]): number {
  let [right, found, all] = [0, 0, 0];
  wanted.forEach((tags, row) => {
    const [own, gold] = [entitiesOf(given[row]!), entitiesOf(tags)];
    right += [...own].filter((entity) => gold.has(entity)).length;
    found += own.size;
    all += gold.size;
  });
  return (2 * right) / Math.max(1, found + all);
}

/** The correlation of ranks; equal numbers share the mean of their ranks. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  return pearson(ranks(a), ranks(b));
}

function ranks(numbers: readonly number[]): readonly number[] {
  const order = [...numbers.keys()].sort((i, j) => numbers[i]! - numbers[j]!);
  const out = new Array<number>(numbers.length);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && numbers[order[to]!] === numbers[order[from]!]) to++;
    for (let at = from; at < to; at++) out[order[at]!] = (from + to - 1) / 2;
    from = to;
  }
  return out;
}

function pearson(a: readonly number[], b: readonly number[]): number {
  const mean = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  const [ma, mb] = [mean(a), mean(b)];
  const product = (x: readonly number[], mx: number, y: readonly number[], my: number) =>
    x.reduce((sum, one, i) => sum + (one - mx) * (y[i]! - my), 0);
  return product(a, ma, b, mb) / Math.sqrt(product(a, ma, a, ma) * product(b, mb, b, mb));
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, one, i) => sum + one * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** In order, a few at a time. */
async function each<T, R>(items: readonly T[], answer: (item: T) => Promise<R>): Promise<readonly R[]> {
  const out: R[] = [];
  for (let at = 0; at < items.length; at += 64) out.push(...(await Promise.all(items.slice(at, at + 64).map(answer))));
  return out;
}
