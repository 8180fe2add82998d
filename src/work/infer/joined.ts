/** Outputs of several rows as one array, for the way between threads: rows may differ in how many numbers they have. */

export interface JoinedRows {
  readonly values: Float32Array<ArrayBuffer>;
  /** Numbers of each row. */
  readonly lengths: readonly number[];
}

export function joinRows(rows: readonly Float32Array[]): JoinedRows {
  const lengths = rows.map(({ length }) => length);
  const values = new Float32Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const row of rows) {
    values.set(row, at);
    at += row.length;
  }
  return { values, lengths };
}

export function cutRows({ values, lengths }: JoinedRows): Float32Array[] {
  let at = 0;
  return lengths.map((length) => values.slice(at, (at += length)));
}
