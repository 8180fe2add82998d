/**
 * Row tables: a slice that works on touched rows only gives the bits of one that works on everything, over steps,
 * workers and a restored state.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ParameterInfo } from "../../src/language/models/index.ts";
import { blocksOf, planSegments } from "../../src/work/train/layout.ts";
import { TrainingMemory } from "../../src/work/train/memory.ts";
import { gradientProgram } from "../../src/work/train/program.ts";
import { resolveRecipe } from "../../src/work/train/recipe.ts";
import { denseSpans, rowSpans, rowTables, type RowTable } from "../../src/work/train/row-tables.ts";
import { balancedEdges, Slice } from "../../src/work/train/slice.ts";
import { TouchedRows } from "../../src/work/train/touched-rows.ts";
import { bertConfig } from "../models/bert-config.ts";

const WIDTH = 200; // rows that straddle blocks of 65,536 elements
const ROWS = 900;
const PARAMETERS: readonly ParameterInfo[] = [
  { name: "first", shape: [300, 33], init: "normal", decay: true, group: "encoder" },
  { name: "table", shape: [ROWS, WIDTH], init: "normal", decay: true, group: "encoder" },
  { name: "last", shape: [77], init: "zeros", decay: false, group: "head" },
];
const segments = planSegments(PARAMETERS);
const placed = segments[0]!.parameters[1]!;
const TABLE: RowTable = {
  parameter: "table",
  segment: 0,
  offset: placed.offset,
  rows: ROWS,
  width: WIDTH,
  firstRow: 0,
  ids: ["ids"],
};
const blocks = blocksOf(segments);

/** Two slots, and as many workers as asked for, one after the other: what barriers would order. */
class Machine {
  readonly memory = TrainingMemory.create(segments, 2);
  readonly sums = new Float64Array(blocks.length);
  readonly #rows: TouchedRows;
  readonly #slices: readonly Slice[];

  constructor(workers: number, tables: readonly RowTable[]) {
    const handle = TouchedRows.create(tables, 2);
    this.#rows = TouchedRows.attach(handle);
    this.#slices = Array.from(
      { length: workers },
      (_, rank) => new Slice(this.memory, TouchedRows.attach(handle), { rank, workers }),
    );
    const { w } = this.memory.views[0]!;
    for (let i = 0; i < w.length; i++) w[i] = ((i * 7919) % 2003) / 1000 - 1;
  }

  step(step: number): void {
    const { slots } = this.memory.views[0]!;
    for (const slot of [0, 1]) {
      const ids = Int32Array.from({ length: 40 }, (_, i) => ((i * 331 + step * 17 + slot * 5) % 300) * 3);
      const gradient = slots[slot]!;
      if (this.#rows.tables.length === 0) gradient.fill(0);
      this.#rows.clear(slot);
      this.#rows.mark(slot, { ids: { dtype: "int32", shape: [ids.length], data: ids } });
      for (let i = 0; i < placed.offset; i++) gradient[i] = ((i * 31 + step + slot) % 100) / 100 - 0.5;
      for (const id of ids)
        for (let c = 0; c < WIDTH; c++)
          gradient[placed.offset + id * WIDTH + c]! += ((id * 13 + c + step) % 50) / 50 - 0.5;
    }
    for (const slice of this.#slices) slice.reduce(0, [{ dst: 0, src: 1 }], 3, this.sums);
    for (const slice of this.#slices)
      slice.update(0, ({ decay }) => ({
        learningRate: 1e-2,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weightDecay: decay ? 0.1 : 0,
        correction1: 0.5,
        correction2: 0.5,
        gradScale: 0.7,
      }));
  }

  state(): readonly number[][] {
    return [...this.memory.state().values(), this.sums].map((values) => Array.from(values));
  }
}

describe("row tables", () => {
  for (const workers of [1, 2, 5]) {
    test(`touched rows only, ${workers} workers: the bits of everything`, () => {
      const oracle = new Machine(1, []);
      const machine = new Machine(workers, [TABLE]);
      for (let step = 0; step < 5; step++) {
        oracle.step(step);
        machine.step(step);
        assert.deepEqual(machine.state(), oracle.state());
        for (const slot of machine.memory.views[0]!.slots)
          assert.ok(
            slot.subarray(placed.offset, placed.offset + placed.length).every((value) => value === 0),
            "touched rows are zero again",
          );
      }
    });
  }

  test("a restored state goes on with its moments", () => {
    const oracle = new Machine(1, [TABLE]);
    for (let step = 0; step < 2; step++) oracle.step(step);
    const resumed = new Machine(2, [TABLE]);
    for (const [name, values] of oracle.memory.state()) resumed.memory.state().get(name)!.set(values);
    for (let step = 2; step < 4; step++) {
      oracle.step(step);
      resumed.step(step);
    }
    assert.deepEqual(resumed.state(), oracle.state());
  });

  test("folding moves flags from slot to slot", () => {
    const rows = TouchedRows.attach(TouchedRows.create([TABLE], 2));
    const marked = (...ids: number[]) => ({
      ids: { dtype: "int32" as const, shape: [ids.length], data: Int32Array.from(ids) },
    });
    rows.mark(0, marked(1, 2));
    rows.mark(1, marked(2, 899));
    rows.move(0, 1);
    assert.deepEqual(
      [0, 1].map((slot) => Array.from(rows.of(slot).keys()).filter((row) => rows.of(slot)[row] === 1)),
      [[1, 2, 899], []],
    );
  });

  test("dense and row spans cover every element of every block once", () => {
    const flags = new Uint8Array(ROWS);
    for (let row = 0; row < ROWS; row += 7) flags[row] = 1;
    const seen = new Uint8Array(segments[0]!.length);
    for (const block of blocks) {
      for (const { offset, length } of [
        ...denseSpans(block, [TABLE]),
        ...rowSpans(TABLE, block, flags),
        ...rowSpans(TABLE, block, flags, 0),
      ]) {
        assert.ok(offset >= block.offset && offset + length <= block.offset + block.length);
        for (let i = offset; i < offset + length; i++) seen[i]!++;
      }
    }
    assert.ok(seen.every((count) => count === 1));
  });

  test("word embeddings are a row table unless the output layer is tied to them", () => {
    const config = bertConfig({
      vocab_size: 50,
      hidden_size: 8,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      intermediate_size: 16,
      max_position_embeddings: 16,
      type_vocab_size: 2,
    });
    const [maskedLm, classify] = resolveRecipe({}).phases;
    const tablesOf = (phase: typeof maskedLm, parameters: readonly ParameterInfo[]) =>
      rowTables(gradientProgram({ config, phase: phase!, labels: 3, pooling: "mean" }), planSegments(parameters)).map(
        ({ parameter, ids }) => [parameter.split(".").at(-2), ids.join()],
      );
    const embeddings: readonly ParameterInfo[] = (["word", "position", "token_type"] as const).map((kind, i) => ({
      name: `bert.embeddings.${kind}_embeddings.weight`,
      shape: [[50, 16, 2][i]!, 8],
      init: "normal",
      decay: true,
      group: "encoder",
    }));
    assert.deepEqual(tablesOf(classify, embeddings), [
      ["word_embeddings", "input_ids"],
      ["position_embeddings", "position_ids"],
      ["token_type_embeddings", "token_type_ids"],
    ]);
    assert.deepEqual(tablesOf(maskedLm, embeddings), [
      ["position_embeddings", "position_ids"],
      ["token_type_embeddings", "token_type_ids"],
    ]);
  });

  test("edges balance costs, and give every block to one worker", () => {
    assert.deepEqual(balancedEdges([1, 1, 1, 1, 2, 2], 2), [0, 4, 6]);
    assert.deepEqual(balancedEdges([3], 4), [0, 0, 0, 1, 1]);
    assert.deepEqual(balancedEdges([2, 2, 2, 2], 2), [0, 2, 4]);
  });
});
