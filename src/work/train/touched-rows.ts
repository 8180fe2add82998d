/**
 * Which rows of the row tables hold a gradient, for every slot; shared by all workers, a byte for each row. Between
 * steps no row of any slot does: all are zero. Who writes when (barriers separate the three parts of a step):
 *   1. its owner clears a slot's flags and sets those of its shard's ids; when it folds a slot into another, the flags
 *      move along;
 *   2. and 3. nobody writes: every worker works through the flagged rows of its own blocks, and zeroes them in every
 *      slot at the end.
 */
import { invariant } from "../../base/index.ts";
import type { Bindings } from "../../numeric/runtime/index.ts";
import type { RowTable } from "./row-tables.ts";

export interface TouchedRowsHandle {
  readonly tables: readonly RowTable[];
  readonly flags: Uint8Array;
}

export class TouchedRows {
  readonly tables: readonly RowTable[];
  /** Outputs of the gradient program whose tensors hold zeros before a run. */
  readonly zeroed: ReadonlySet<string>;
  readonly #rows: number;
  readonly #flags: Uint8Array;

  private constructor({ tables, flags }: TouchedRowsHandle) {
    this.tables = tables;
    this.zeroed = new Set(tables.map(({ parameter }) => `grad.${parameter}`));
    this.#rows = rowCount(tables);
    this.#flags = flags;
  }

  static create(tables: readonly RowTable[], slots: number): TouchedRowsHandle {
    return { tables, flags: new Uint8Array(new SharedArrayBuffer(slots * rowCount(tables))) };
  }

  static attach(handle: TouchedRowsHandle): TouchedRows {
    return new TouchedRows(handle);
  }

  /** Rows of all tables. */
  get count(): number {
    return this.#rows;
  }

  clear(slot: number): void {
    this.of(slot).fill(0);
  }

  /** Marks the rows that a run with these inputs will write to. */
  mark(slot: number, inputs: Bindings): void {
    const flags = this.of(slot);
    for (const { ids, rows, firstRow } of this.tables) {
      for (const name of ids) {
        const data = inputs[name]?.data;
        invariant(data instanceof Int32Array, `input ${name} has the ids of rows`);
        for (const id of data) if (id >= 0 && id < rows) flags[firstRow + id] = 1; // others are refused by the run
      }
    }
  }

  /** `src` is folded into `dst` and free again. */
  move(dst: number, src: number): void {
    this.union([src], this.of(dst));
    this.clear(src);
  }

  /** Adds the flags of these slots to `into`. */
  union(slots: readonly number[], into: Uint8Array): void {
    for (const slot of slots) {
      const flags = this.of(slot);
      for (let row = 0; row < flags.length; row++) if (flags[row] === 1) into[row] = 1;
    }
  }

  of(slot: number): Uint8Array {
    return this.#flags.subarray(slot * this.#rows, (slot + 1) * this.#rows);
  }
}

function rowCount(tables: readonly RowTable[]): number {
  return tables.reduce((sum, { rows }) => sum + rows, 0);
}
