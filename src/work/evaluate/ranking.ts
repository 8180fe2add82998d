/**
 * How good an order of documents is. Documents with equal scores stand in every order with the same likelihood, and a
 * figure is its mean over those orders (McSherry and Najork 2008): a model that gives all documents one score gains
 * nothing from the order in which a table lists them.
 */
import { log } from "../../base/index.ts";

/** Documents of one query with equal scores: how many, and their relevance. */
interface Tied {
  readonly relevance: readonly number[];
}

function tiedGroups(scores: ArrayLike<number>, relevance: ArrayLike<number>): readonly Tied[] {
  const order = Array.from(scores, (_, row) => row).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const groups: { score: number; relevance: number[] }[] = [];
  for (const row of order) {
    const last = groups.at(-1);
    if (last !== undefined && last.score === scores[row]) last.relevance.push(relevance[row]!);
    else groups.push({ score: scores[row]!, relevance: [relevance[row]!] });
  }
  return groups;
}

/**
 * 1 / rank of the first document with a relevance above 0, from 1; 0 where there is none. Of g tied documents of which
 * r are relevant, the first relevant one stands at place j with likelihood C(g − j, r − 1) / C(g, r).
 */
export function reciprocalRank(scores: ArrayLike<number>, relevance: ArrayLike<number>): number {
  let before = 0;
  for (const { relevance: tied } of tiedGroups(scores, relevance)) {
    const [g, r] = [tied.length, tied.filter((one) => one > 0).length];
    if (r > 0) {
      let likelihood = r / g; // of j = 1
      let sum = 0;
      for (let j = 1; j <= g - r + 1; j++) {
        sum += likelihood / (before + j);
        likelihood *= (g - j - r + 1) / (g - j);
      }
      return sum;
    }
    before += g;
  }
  return 0;
}

/** The likelihood that the first document is relevant. */
export function firstIsRelevant(scores: ArrayLike<number>, relevance: ArrayLike<number>): number {
  const [first] = tiedGroups(scores, relevance);
  return first === undefined ? 0 : first.relevance.filter((one) => one > 0).length / first.relevance.length;
}

/**
 * Normalised discounted cumulative gain of the first `depth` documents: Σ relevance / log₂(place + 1), places from 1,
 * divided by that of the best order (Järvelin and Kekäläinen 2002, with the relevance itself as gain). 0 to 1 for
 * relevance of 0 and more; 0 where nothing is relevant.
 */
export function discountedGain(scores: ArrayLike<number>, relevance: ArrayLike<number>, depth = Infinity): number {
  const best = gain(tiedGroups(relevance, relevance), depth);
  return best === 0 ? 0 : gain(tiedGroups(scores, relevance), depth) / best;
}

function gain(groups: readonly Tied[], depth: number): number {
  let place = 0;
  let sum = 0;
  for (const { relevance } of groups) {
    let discounts = 0;
    for (let i = 0; i < relevance.length; i++) if (place++ < depth) discounts += LN_2 / log(place + 1);
    sum += (discounts * relevance.reduce((all, one) => all + one, 0)) / relevance.length;
  }
  return sum;
}

const LN_2 = 0.6931471805599453;
