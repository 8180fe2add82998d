/**
 * A worker's slice: the blocks that it reduces and updates. All of it goes block by block, while a block is in the
 * cache. Of tables whose gradients are rows, only the rows that hold something are worked on (row-tables.ts); the bits
 * are those of working on all of them.
 */
import { invariant } from "../../base/index.ts";
import type { AdamwSettings } from "../../numeric/kernels/index.ts";
import { blocksOf, stretchesOf, type Block, type Stretch } from "./layout.ts";
import type { SegmentViews, TrainingMemory } from "./memory.ts";
import { denseSpans, rowSpans, type RowTable, type Span } from "./row-tables.ts";
import type { TouchedRows } from "./touched-rows.ts";

/** Add slot `src` to slot `dst`. */
export interface SlotPair {
  readonly dst: number;
  readonly src: number;
}

interface Part {
  readonly block: Block;
  /** Number of the block over all segments. */
  readonly index: number;
  readonly views: SegmentViews;
  readonly dense: readonly Span[];
  readonly stretches: readonly (Stretch & { readonly table: RowTable | undefined })[];
}

export class Slice {
  readonly #parts: readonly Part[];
  readonly #rows: TouchedRows;
  /** Rows of this step's gradient, by flag. */
  readonly #touched: Uint8Array;
  /** Rows with moments that are not all zero, by flag; within this slice only. Undefined before the first step. */
  #moving: Uint8Array | undefined;
  #slots: readonly number[] = [];

  constructor(
    memory: TrainingMemory,
    rows: TouchedRows,
    { rank, workers }: { readonly rank: number; readonly workers: number },
  ) {
    const blocks = blocksOf(memory.segments).map((block, index) => ({
      block,
      index,
      dense: denseSpans(block, rows.tables),
    }));
    const edges = balancedEdges(
      blocks.map(({ block, dense }) => cost(block, dense)),
      workers,
    );
    this.#rows = rows;
    this.#touched = new Uint8Array(rows.count);
    this.#parts = blocks.slice(edges[rank], edges[rank + 1]).map(({ block, index, dense }) => {
      const [segment, views] = [memory.segments[block.segment], memory.views[block.segment]];
      invariant(segment !== undefined && views !== undefined, `no segment ${block.segment}`);
      const stretches = stretchesOf(segment, block).map((stretch) => ({
        ...stretch,
        table: tableAt(rows.tables, block.segment, stretch.offset),
      }));
      return { block, index, views, dense, stretches };
    });
  }

  /** The tree's upper additions, the divisor, and each block's sum of squares. */
  reduce(root: number, adds: readonly SlotPair[], total: number, blockSums: Float64Array): void {
    this.#slots = [...new Set([root, ...adds.flatMap(({ dst, src }) => [dst, src])])];
    this.#touched.fill(0);
    this.#rows.union(this.#slots, this.#touched);
    for (const { block, index, views, dense, stretches } of this.#parts) {
      const { kernels, slots } = views;
      const spans = [...dense, ...this.#touchedSpans(stretches)];
      for (const { offset, length } of spans) {
        for (const { dst, src } of adds) kernels.add(at(slots[dst], offset), at(slots[src], offset), length);
        kernels.divide(at(slots[root], offset), total, length);
      }
      blockSums[index] = spans.length === 0 ? 0 : kernels.sumSquares(at(slots[root], block.offset), block.length);
    }
  }

  /** AdamW by the gradient in slot `root`; then the rows that were touched are zero again, in every slot. */
  update(root: number, settingsOf: (stretch: Stretch) => AdamwSettings): void {
    this.#moving ??= this.#findMoving();
    for (let row = 0; row < this.#touched.length; row++) if (this.#touched[row] === 1) this.#moving[row] = 1;
    for (const { views, stretches } of this.#parts) {
      const { kernels, w, m, v, slots } = views;
      for (const stretch of stretches) {
        const { table } = stretch;
        const settings = settingsOf(stretch);
        for (const { offset, length } of table === undefined ? [stretch] : rowSpans(table, stretch, this.#moving)) {
          kernels.adamw(
            { w: at(w, offset), g: at(slots[root], offset), m: at(m, offset), v: at(v, offset), n: length },
            settings,
          );
        }
        // Without gradient or moments, AdamW is its decay: w · (1 − rate · decay) − 0.
        const decay = 1 - settings.learningRate * settings.weightDecay;
        if (table !== undefined && decay !== 1)
          for (const { offset, length } of rowSpans(table, stretch, this.#moving, 0))
            kernels.scale(at(w, offset), decay, length);
      }
      for (const { offset, length } of this.#touchedSpans(stretches))
        for (const slot of this.#slots) kernels.zero(at(slots[slot], offset), length);
    }
  }

  #touchedSpans(stretches: Part["stretches"]): Span[] {
    return stretches.flatMap((stretch) =>
      stretch.table === undefined ? [] : rowSpans(stretch.table, stretch, this.#touched),
    );
  }

  /** Looks where a state that was gone on from has moments. */
  #findMoving(): Uint8Array {
    const moving = new Uint8Array(this.#rows.count);
    for (const {
      views: { m, v },
      stretches,
    } of this.#parts) {
      for (const { table, offset, length } of stretches) {
        if (table === undefined) continue;
        for (let i = offset; i < offset + length; i++)
          if (m[i] !== 0 || v[i] !== 0) moving[table.firstRow + Math.floor((i - table.offset) / table.width)] = 1;
      }
    }
    return moving;
  }
}

/** Of a row's elements, most are only decayed: about a quarter of the work of the others. */
function cost({ length }: Block, dense: readonly Span[]): number {
  return length + 3 * dense.reduce((sum, span) => sum + span.length, 0);
}

/**
 * Where each worker's blocks begin, so that their costs are about equal; then the end. Who does a block changes no bit.
 */
export function balancedEdges(costs: readonly number[], workers: number): readonly number[] {
  const total = costs.reduce((sum, each) => sum + each, 0);
  const edges = [0];
  let before = 0;
  costs.forEach((each, block) => {
    while (edges.length < workers && before + each / 2 >= (total * edges.length) / workers) edges.push(block);
    before += each;
  });
  while (edges.length <= workers) edges.push(costs.length);
  return edges;
}

function tableAt(tables: readonly RowTable[], segment: number, element: number): RowTable | undefined {
  return tables.find(
    (table) =>
      table.segment === segment && element >= table.offset && element < table.offset + table.rows * table.width,
  );
}

/** Byte offset of an element, for kernels. */
export function at(view: Float32Array | undefined, element: number): number {
  invariant(view !== undefined, "a gradient slot exists");
  return view.byteOffset + element * 4;
}
