/** Precision, recall and F1 of what was found among what was wanted, over weighted rows. */
import type { Statistic } from "./bootstrap.ts";
import type { ClassScores } from "./metrics.ts";

/** What was right, given and wanted, of each row and kind where there is any of it. */
export class Found {
  readonly kinds: number;
  readonly #entries: Entry[] = [];

  constructor(kinds: number) {
    this.kinds = kinds;
  }

  /** One thing of a kind: wanted, given, or both, which is right. */
  add(row: number, kind: number, wanted: boolean, given: boolean): void {
    if (!wanted && !given) return;
    this.#entries.push({ row, kind, wanted: wanted ? 1 : 0, given: given ? 1 : 0 });
  }

  /** By kind, where row i counts `counts[i]` times. */
  sums(counts: Int32Array): Sums {
    const { kinds } = this;
    const sums = { right: new Float64Array(kinds), given: new Float64Array(kinds), wanted: new Float64Array(kinds) };
    for (const { row, kind, wanted, given } of this.#entries) {
      const times = counts[row]!;
      sums.right[kind]! += times * wanted * given;
      sums.given[kind]! += times * given;
      sums.wanted[kind]! += times * wanted;
    }
    return sums;
  }
}

interface Entry {
  readonly row: number;
  readonly kind: number;
  readonly wanted: 0 | 1;
  readonly given: 0 | 1;
}

interface Sums {
  readonly right: Float64Array;
  readonly given: Float64Array;
  readonly wanted: Float64Array;
}

const sum = (values: Float64Array): number => values.reduce((all, one) => all + one, 0);

/** Of all kinds together: 2 · right / (given + wanted); NaN where there is nothing to find and nothing was found. */
export function microF1(found: Found): Statistic {
  return (counts) => {
    const { right, given, wanted } = found.sums(counts);
    return (2 * sum(right)) / (sum(given) + sum(wanted));
  };
}

/** right / given, of all kinds together; 0 where nothing was given and something was wanted, NaN where neither. */
export function microPrecision(found: Found): Statistic {
  return shareOfSums(found, "given");
}

/** right / wanted, of all kinds together; 0 where nothing was wanted and something was given, NaN where neither. */
export function microRecall(found: Found): Statistic {
  return shareOfSums(found, "wanted");
}

function shareOfSums(found: Found, of: "given" | "wanted"): Statistic {
  return (counts) => {
    const sums = found.sums(counts);
    if (sum(sums.given) + sum(sums.wanted) === 0) return NaN;
    return sum(sums[of]) === 0 ? 0 : sum(sums.right) / sum(sums[of]);
  };
}

/** Mean F1 of the kinds that were given or wanted, each counting the same; NaN where there are none. */
export function macroF1Of(found: Found): Statistic {
  return (counts) => {
    const { right, given, wanted } = found.sums(counts);
    let [f1, kinds] = [0, 0];
    right.forEach((hits, kind) => {
      const there = given[kind]! + wanted[kind]!;
      if (there === 0) return;
      f1 += (2 * hits) / there;
      kinds++;
    });
    return f1 / kinds;
  };
}

/** By kind; a ratio of nothing to nothing is 0. */
export function scoresByKind(found: Found, rows: number): ClassScores[] {
  const { right, given, wanted } = found.sums(new Int32Array(rows).fill(1));
  return Array.from(right, (hits, kind) => {
    const [g, w] = [given[kind]!, wanted[kind]!];
    return {
      precision: g === 0 ? 0 : hits / g,
      recall: w === 0 ? 0 : hits / w,
      f1: g + w === 0 ? 0 : (2 * hits) / (g + w),
      support: w,
    };
  });
}

/** One class a row. */
export function foundOfClasses(predicted: ArrayLike<number>, expected: ArrayLike<number>, kinds: number): Found {
  const found = new Found(kinds);
  for (let row = 0; row < expected.length; row++) {
    const [p, e] = [predicted[row]!, expected[row]!];
    found.add(row, e, true, p === e);
    if (p !== e) found.add(row, p, false, true);
  }
  return found;
}
