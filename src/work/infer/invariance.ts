/**
 * P2 as an experiment: one row's logits against the same row's logits among other mates, as raw float32 bits. This file
 * says which batches are tried and what a difference is; it knows rows and a function that answers them, and no
 * executor. Nothing is tried twice.
 *
 * Words: a set is rows of one padded length, a batch is rows that run together, a position is a place in it.
 */
import { LockstepError, PURPOSE, permutation, seedFrom } from "../../base/index.ts";
import { firstDifference } from "../../numeric/runtime/index.ts";
import type { TokenRow } from "./predictor.ts";

export const BATCH_SIZES = [1, 2, 3, 5, 8, 16, 32] as const;
/** A set holds at least as many rows as the largest batch. */
export const SET_ROWS = 32;

export interface RowSet {
  /** Padded tokens of every row. */
  readonly tokens: number;
  readonly rows: readonly TokenRow[];
}

/** Logits of rows that are submitted together, in order. */
export type RunRows = (rows: readonly TokenRow[]) => Promise<readonly Float32Array[]>;

/** A row of one of the sets. */
export interface RowRef {
  readonly set: number;
  readonly row: number;
}

/** Where bits first differed. `expected` is the row computed alone. */
export interface Difference extends RowRef {
  /** Rows that were submitted together. */
  readonly batch: number;
  /** The row's place among them, from 0. */
  readonly position: number;
  /** The row's own tokens, and with padding. */
  readonly length: number;
  readonly tokens: number;
  readonly element: number;
  /** Eight hexadecimal digits: the float32's bits. */
  readonly expected: string;
  readonly actual: string;
}

export interface ComparedRuns {
  readonly runs: number;
  readonly rows: number;
  readonly difference: Difference | null;
}

/** Every row by itself: what all others are held against. [sets][rows] */
export type Alone = readonly (readonly Float32Array[])[];

/** @throws NON_FINITE */
export async function runAlone(
  run: RunRows,
  sets: readonly RowSet[],
  onRows: (rows: number) => Promise<void>,
): Promise<Alone> {
  const alone: Float32Array[][] = [];
  for (const [set, { rows }] of sets.entries()) {
    const answers: Float32Array[] = [];
    for (const [place, row] of rows.entries()) {
      const [logits] = await run([row]);
      const element = logits?.findIndex((value) => !Number.isFinite(value)) ?? 0;
      if (logits === undefined || element >= 0)
        throw new LockstepError(
          "NON_FINITE",
          `element ${element} of row ${place} of ${row.ids.length} tokens is ${logits?.[element] ?? "missing"}`,
          { set, row: place, element },
        );
      answers.push(logits.slice());
      await onRows(1);
    }
    alone.push(answers);
  }
  return alone;
}

/**
 * Batches of one set: for each size, windows that slide over the rows by one, so that a row stands at every position in
 * turn. `windows` windows a size at most, evenly spread; a size has as many as it has positions.
 */
export function slidingBatches(set: number, rows: number, windows: number): RowRef[][] {
  return BATCH_SIZES.flatMap((size) => {
    const count = Math.min(size, windows);
    return Array.from({ length: count }, (_, window) => {
      const from = Math.floor((window * size) / count);
      return Array.from({ length: size }, (_, position) => ({ set, row: (from + position) % rows }));
    });
  });
}

/** The same sizes with rows of every set shuffled into one submission, `orders` times each. */
export function mixedBatches(sets: readonly RowSet[], orders: number): RowRef[][] {
  const all = sets.flatMap(({ rows }, set) => rows.map((_, row) => ({ set, row })));
  return BATCH_SIZES.flatMap((size) =>
    Array.from({ length: orders }, (_, order) => shuffled(all, size, order).slice(0, size)),
  );
}

/** All of the items in an order that `a` and `b` decide. */
export function shuffled<T>(items: readonly T[], a: number, b: number): T[] {
  return Array.from(
    permutation(items.length, seedFrom("row invariance"), PURPOSE.test, a, b),
    (index) => items[index] as T,
  );
}

/** Runs the batches in order and stops at the first row whose bits are not those that it had alone. */
export async function compareBatches(
  run: RunRows,
  sets: readonly RowSet[],
  alone: Alone,
  batches: readonly (readonly RowRef[])[],
  onRows: (rows: number) => Promise<void>,
): Promise<ComparedRuns> {
  let runs = 0;
  let rows = 0;
  for (const batch of batches) {
    const answers = await run(batch.map((ref) => rowAt(sets, ref)));
    runs++;
    rows += batch.length;
    const difference = firstOf(sets, alone, batch, answers);
    if (difference !== null) return { runs, rows, difference };
    await onRows(batch.length);
  }
  return { runs, rows, difference: null };
}

/** The first difference of one batch, by position. */
export function firstOf(
  sets: readonly RowSet[],
  alone: Alone,
  batch: readonly RowRef[],
  answers: readonly Float32Array[],
): Difference | null {
  if (answers.length !== batch.length)
    throw new LockstepError("INTERNAL", `${answers.length} answers for a batch of ${batch.length} rows`, {
      batch: batch.length,
    });
  for (const [position, ref] of batch.entries()) {
    const expected = alone[ref.set]?.[ref.row] as Float32Array;
    const actual = answers[position] as Float32Array;
    const element = firstDifference(expected, actual);
    if (element < 0) continue;
    const { ids } = rowAt(sets, ref);
    return {
      ...ref,
      batch: batch.length,
      position,
      length: ids.length,
      tokens: sets[ref.set]?.tokens ?? 0,
      element,
      expected: hex(expected, element),
      actual: hex(actual, element),
    };
  }
  return null;
}

export function rowAt(sets: readonly RowSet[], { set, row }: RowRef): TokenRow {
  const found = sets[set]?.rows[row];
  if (found === undefined) throw new LockstepError("INTERNAL", `no row ${row} in set ${set}`, { set, row });
  return found;
}

function hex(values: Float32Array, element: number): string {
  if (element >= values.length) return "missing";
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, values[element] as number);
  return view.getUint32(0).toString(16).padStart(8, "0");
}
