/**
 * The SIMD kernels (assembly/, compiled to kernels.wasm) bound to one shared WebAssembly memory. Regions are byte
 * offsets into it (of a tensor in an arena: `data.byteOffset`) and counts of float32 elements; every region is checked
 * before a kernel runs. The regions of one call are equal or disjoint; other threads may work on other regions
 * meanwhile. What a kernel reads and writes is declared for the explorer just before it runs; row kernels declare their
 * whole table, whose rows only they look up.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  access,
  exploring,
  dropoutConstants,
  LockstepError,
  PHILOX,
  type DropoutKey,
  ownFile,
} from "../../base/index.ts";
import { compileWasm, instantiate, MAX_MEMORY_BYTES, type SharedMemory, type WasmModule } from "../tensor/index.ts";
import { adamwConstants, type AdamwSettings } from "./adamw.ts";
import { BLOCK_LIMIT } from "./limits.ts";

/** Weights, gradient and the two moments, `n` elements each. */
export interface AdamwRegion {
  readonly w: number;
  readonly g: number;
  readonly m: number;
  readonly v: number;
  readonly n: number;
}
/** `table` is [rows, width], `ids` are `count` int32, `dst` is [count, width]. */
export interface GatherRegion {
  readonly dst: number;
  readonly table: number;
  readonly rows: number;
  readonly width: number;
  readonly ids: number;
  readonly count: number;
}
/**
 * `table` is [rows, width], `ids` are `count` int32, `dy` is [count, width]; rows of `paddingId` are skipped (-1:
 * none).
 */
export interface ScatterRegion {
  readonly table: number;
  readonly rows: number;
  readonly width: number;
  readonly dy: number;
  readonly ids: number;
  readonly count: number;
  readonly paddingId: number;
}

/** The same in kernels.wasm and for its callers: byte addresses, and n float32 elements. */
interface Elementwise {
  /** dst += a */
  add(dst: number, a: number, n: number): void;
  /** dst = a + b */
  addTo(dst: number, a: number, b: number, n: number): void;
  /** dst += s * a; s is rounded to float32, as in scale and divide. */
  addScaled(dst: number, a: number, s: number, n: number): void;
  scale(dst: number, s: number, n: number): void;
  divide(dst: number, d: number, n: number): void;
  zero(dst: number, n: number): void;
  copy(dst: number, a: number, n: number): void;
  /** The sum of squares of at most 65,536 elements in float64, in a fixed order of lanes. */
  sumSquares(a: number, n: number): number;
}

export interface Kernels extends Elementwise {
  readonly memory: SharedMemory;
  /** One AdamW step in place: w, m and v change, g does not. */
  adamw(region: AdamwRegion, settings: AdamwSettings): void;
  /** As fillDropoutMask of base, the same bits. */
  dropoutMask(dst: number, n: number, rate: number, site: number, key: DropoutKey): void;
  /** dst[i] = table[ids[i]]; an id outside the table is INPUT_INVALID and nothing is written. */
  gatherRows(region: GatherRegion): void;
  /** table[ids[i]] += dy[i] in order of i; an id outside the table is INPUT_INVALID and nothing is written. */
  scatterAddRows(region: ScatterRegion): void;
}

/** What kernels.wasm exports; usize is a number. */
interface Exports extends Elementwise {
  adamw(
    w: number,
    g: number,
    m: number,
    v: number,
    n: number,
    gradScale: number,
    beta1: number,
    rest1: number,
    beta2: number,
    rest2: number,
    decay: number,
    step: number,
    rootCorrection: number,
    epsilon: number,
  ): void;
  dropoutMask(
    dst: number,
    n: number,
    threshold: number,
    keep: number,
    seed0: number,
    seed1: number,
    site: number,
    step: number,
    shard: number,
    multiplier0: number,
    multiplier1: number,
    weyl0: number,
    weyl1: number,
  ): void;
  firstOutside(ids: number, count: number, rows: number): number;
  gatherRows(dst: number, table: number, ids: number, count: number, width: number): void;
  scatterAddRows(table: number, dy: number, ids: number, count: number, width: number, paddingId: number): void;
}

/** Compiles kernels.wasm. A module can be kept for several memories and posted to workers. */
export function compileKernels(): WasmModule {
  try {
    return compileWasm(readFileSync(fileURLToPath(ownFile(() => import.meta.resolve("#kernels.wasm")))));
  } catch (error) {
    throw new LockstepError(
      "RUNTIME_MISSING",
      `kernels.wasm cannot be loaded (${(error as Error).message}); install lockstep again, or in its ` +
        "repository run node scripts/build-kernels.mjs",
      {},
      { cause: error },
    );
  }
}

export function createKernels(memory: SharedMemory, module: WasmModule = compileKernels()): Kernels {
  const wasm = instantiate(module, memory) as Exports;
  const check = regionCheck(memory);
  const { buffer } = memory; // its size is fixed
  const reads = (offset: number, n: number): void => {
    if (exploring()) access({ buffer, byteOffset: offset, byteLength: n * 4 }, "r");
  };
  const writes = (offset: number, n: number): void => {
    if (exploring()) access({ buffer, byteOffset: offset, byteLength: n * 4 }, "w");
  };
  const changes = (offset: number, n: number): void => {
    reads(offset, n);
    writes(offset, n);
  };
  return {
    memory,
    adamw({ w, g, m, v, n }, settings) {
      check("adamw", n, w, g, m, v);
      const c = adamwConstants(settings);
      reads(g, n);
      changes(w, n);
      changes(m, n);
      changes(v, n);
      wasm.adamw(
        w,
        g,
        m,
        v,
        n,
        c.gradScale,
        c.beta1,
        c.rest1,
        c.beta2,
        c.rest2,
        c.decay,
        c.step,
        c.rootCorrection,
        c.epsilon,
      );
    },
    add(dst, a, n) {
      check("add", n, dst, a);
      reads(a, n);
      changes(dst, n);
      wasm.add(dst, a, n);
    },
    addTo(dst, a, b, n) {
      check("addTo", n, dst, a, b);
      reads(a, n);
      reads(b, n);
      writes(dst, n);
      wasm.addTo(dst, a, b, n);
    },
    addScaled(dst, a, s, n) {
      check("addScaled", n, dst, a);
      reads(a, n);
      changes(dst, n);
      wasm.addScaled(dst, a, s, n);
    },
    scale(dst, s, n) {
      check("scale", n, dst);
      changes(dst, n);
      wasm.scale(dst, s, n);
    },
    divide(dst, d, n) {
      check("divide", n, dst);
      changes(dst, n);
      wasm.divide(dst, d, n);
    },
    zero(dst, n) {
      check("zero", n, dst);
      writes(dst, n);
      wasm.zero(dst, n);
    },
    copy(dst, a, n) {
      check("copy", n, dst, a);
      reads(a, n);
      writes(dst, n);
      wasm.copy(dst, a, n);
    },
    sumSquares(a, n) {
      check("sumSquares", n, a);
      if (n > BLOCK_LIMIT)
        throw new LockstepError(
          "INTERNAL",
          `sumSquares takes at most ${BLOCK_LIMIT} elements, not ${n}; add up blocks in a fixed tree`,
          { n },
        );
      reads(a, n);
      return wasm.sumSquares(a, n);
    },
    dropoutMask(dst, n, rate, site, { seed, step, shard }) {
      check("dropoutMask", n, dst);
      const { threshold, keep } = dropoutConstants(rate);
      writes(dst, n);
      wasm.dropoutMask(dst, n, threshold, keep, seed[0], seed[1], site, step, shard, ...PHILOX);
    },
    gatherRows({ dst, table, rows, width, ids, count }) {
      checkRows("gatherRows", table, rows, width, dst, ids, count);
      reads(table, rows * width);
      writes(dst, count * width);
      wasm.gatherRows(dst, table, ids, count, width);
    },
    scatterAddRows({ table, rows, width, dy, ids, count, paddingId }) {
      checkRows("scatterAddRows", table, rows, width, dy, ids, count);
      reads(dy, count * width);
      changes(table, rows * width);
      wasm.scatterAddRows(table, dy, ids, count, width, paddingId);
    },
  };

  function checkRows(
    kernel: string,
    table: number,
    rows: number,
    width: number,
    data: number,
    ids: number,
    count: number,
  ): void {
    check(kernel, rows * width, table);
    check(kernel, count * width, data);
    check(kernel, count, ids);
    reads(ids, count);
    const bad = wasm.firstOutside(ids, count, rows);
    if (bad < 0) return;
    const id = new DataView(memory.buffer).getInt32(ids + bad * 4, true);
    throw new LockstepError("INPUT_INVALID", `id ${id} at position ${bad} is outside the table of ${rows} rows`, {
      id,
      position: bad,
      rows,
    });
  }
}

/**
 * A check of `n` float32 (or int32) elements at each offset. Without it a wrong offset would trap somewhere inside, or
 * hit a neighbour. The end of a region must be an address as well, so the last element of 4 GiB is out of reach (arenas
 * leave it free).
 */
function regionCheck(memory: SharedMemory): (kernel: string, n: number, ...offsets: readonly number[]) => void {
  const byteLength = Math.min(memory.buffer.byteLength, MAX_MEMORY_BYTES - 4);
  return (kernel, n, ...offsets) => {
    for (const offset of offsets) {
      if (
        Number.isInteger(n) &&
        n >= 0 &&
        Number.isInteger(offset) &&
        offset >= 0 &&
        offset % 4 === 0 &&
        offset + n * 4 <= byteLength
      )
        continue;
      throw new LockstepError(
        "INTERNAL",
        `${kernel}: ${n} elements at byte ${offset} are not an aligned part of a memory of ${byteLength} bytes`,
        { kernel, n, offset, byteLength },
      );
    }
  };
}
