/**
 * What the host computes around a session, and where: embedding rows, dropout masks and the rows of embedding
 * gradients.
 * These are the plain forms. The SIMD kernels give the same bits; whoever owns memory that they can reach hands them
 * in.
 */
import { access, fillDropoutMask, LockstepError } from "../../base/index.ts";
import type { RandomKey } from "./contract.ts";

export interface HostKernels {
  /** Memory for the masks of a session, all in one piece; kept until it is too small or the session is disposed. */
  allocate(elements: number): Float32Array;
  fillDropoutMask(target: Float32Array, rate: number, site: number, key: RandomKey): void;
  /** Row i of `target` becomes row ids[i] of `table`. */
  gatherRows(target: Float32Array, table: Float32Array, ids: Int32Array, columns: number): void;
  /** Adds row i of `rows` to row ids[i] of `target`, in order of i, except where the id is `paddingId`. */
  addRows(target: Float32Array, rows: Float32Array, ids: Int32Array, columns: number, paddingId: number): void;
}

export const PLAIN_KERNELS: HostKernels = {
  allocate: (elements) => new Float32Array(elements),
  fillDropoutMask: (target, rate, site, key) => {
    access(target, "w"); // base is loaded before the explorer could watch it element by element
    fillDropoutMask(target, rate, site, key);
  },
  gatherRows: (target, table, ids, columns) => {
    for (let i = 0; i < ids.length; i++) {
      const row = (ids[i] as number) * columns;
      target.set(table.subarray(row, row + columns), i * columns);
    }
  },
  addRows: (target, rows, ids, columns, paddingId) => {
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as number;
      if (id === paddingId) continue;
      for (let to = id * columns, from = i * columns, end = from + columns; from < end; to++, from++)
        target[to] = (target[to] as number) + (rows[from] as number);
    }
  },
};

/** Buffers by name that grow to the largest size asked for and are used again at every run. */
export class Scratch {
  readonly #buffers = new Map<string, Float32Array>();

  /** Its contents are whatever the last use left. */
  take(name: string, elements: number, allocate: HostKernels["allocate"] = PLAIN_KERNELS.allocate): Float32Array {
    let buffer = this.#buffers.get(name);
    if (buffer === undefined || buffer.length < elements) {
      buffer = allocate(elements);
      this.#buffers.set(name, buffer);
    }
    return buffer.subarray(0, elements);
  }
  clear(): void {
    this.#buffers.clear();
  }
}

/** Every id must be a row of its table: a kernel would read or write outside it. */
export function checkIds(ids: Int32Array, rows: number, what: string): void {
  const at = ids.findIndex((id) => id < 0 || id >= rows);
  if (at >= 0)
    throw new LockstepError(
      "INPUT_INVALID",
      `${what}[${at}] is ${ids[at] ?? 0}, but its embedding table has rows 0..${rows - 1}`,
      { input: what, index: at, id: ids[at] ?? 0, rows },
    );
}
