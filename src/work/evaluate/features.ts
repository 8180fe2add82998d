/**
 * TF-IDF of words and pairs of neighbouring words, as scikit-learn's `TfidfVectorizer(sublinear_tf=True,
 * ngram_range=(1, 2))` with a word being a run of letters and digits: weight (1 + ln count) · (1 + ln((1 + texts) / (1
 * + texts with it))), rows of length 1.
 */
import { log } from "../../base/index.ts";

/** Rows of a sparse matrix: the entries of row r are at starts[r] .. starts[r + 1]. */
export interface SparseRows {
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  readonly values: Float64Array;
}

export class TfIdf {
  readonly #columnOf = new Map<string, number>();
  readonly #idf: Float64Array;
  readonly rows: SparseRows;

  /** Learns terms and their weights from `texts`; `rows` are the texts' own features. */
  constructor(texts: readonly string[]) {
    const documents: number[] = [];
    const counted = texts.map((text) => {
      const counts = countTerms(text);
      return Array.from(counts, ([term, count]): [number, number] => {
        let column = this.#columnOf.get(term);
        if (column === undefined) this.#columnOf.set(term, (column = documents.push(0) - 1));
        documents[column] = (documents[column] as number) + 1;
        return [column, count];
      });
    });
    this.#idf = Float64Array.from(documents, (count) => 1 + log((1 + texts.length) / (1 + count)));
    this.rows = this.#weigh(counted);
  }

  get columns(): number {
    return this.#idf.length;
  }

  /** Features of other texts; terms that were never seen are left out. */
  transform(texts: readonly string[]): SparseRows {
    return this.#weigh(
      texts.map((text) =>
        Array.from(countTerms(text)).flatMap(([term, count]): [number, number][] => {
          const column = this.#columnOf.get(term);
          return column === undefined ? [] : [[column, count]];
        }),
      ),
    );
  }

  #weigh(counted: readonly (readonly [number, number][])[]): SparseRows {
    const total = counted.reduce((sum, row) => sum + row.length, 0);
    const rows = {
      starts: new Int32Array(counted.length + 1),
      columns: new Int32Array(total),
      values: new Float64Array(total),
    };
    let at = 0;
    counted.forEach((row, r) => {
      let square = 0;
      const start = at;
      for (const [column, count] of row) {
        const value = (1 + log(count)) * (this.#idf[column] as number);
        rows.columns[at] = column;
        rows.values[at++] = value;
        square += value * value;
      }
      const norm = Math.sqrt(square);
      for (let i = start; i < at; i++) rows.values[i] = (rows.values[i] as number) / norm;
      rows.starts[r + 1] = at;
    });
    return rows;
  }
}

/** Words and pairs of words with their counts, in the order of their first place. */
function countTerms(text: string): Map<string, number> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
  const counts = new Map<string, number>();
  words.forEach((word, i) => {
    counts.set(word, (counts.get(word) ?? 0) + 1);
    if (i === 0) return;
    const pair = `${words[i - 1]} ${word}`;
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  });
  return counts;
}
