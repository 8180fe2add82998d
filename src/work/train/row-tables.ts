/**
 * Tables whose gradient has a row only where the shard had a token: embeddings that nothing else uses. A step touches a
 * few hundred of their tens of thousands of rows; to zero, add, divide and update all of them would cost more than the
 * rest of the update. Which rows are touched is a function of the plan, so leaving the others alone changes no bit and
 * depends on no thread.
 */
import { invariant } from "../../base/index.ts";
import type { Graph, Node, ValueId } from "../../numeric/graph/index.ts";
import type { Block, Segment } from "./layout.ts";

/** `offset` counts elements within the segment, `firstRow` rows over all tables. */
export interface RowTable {
  readonly parameter: string;
  readonly segment: number;
  readonly offset: number;
  readonly rows: number;
  readonly width: number;
  readonly firstRow: number;
  /** Inputs of the gradient program that say which rows its gradient has. */
  readonly ids: readonly string[];
}

/** A stretch of elements of a segment. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

/** The tables among the parameters whose gradients `program` computes as outputs `grad.<parameter>`. */
export function rowTables(program: Graph, segments: readonly Segment[]): readonly RowTable[] {
  const producers = new Map(program.nodes.flatMap((node) => node.outputs.map((id) => [id, node] as const)));
  let firstRow = 0;
  return segments.flatMap(({ index, parameters }) =>
    parameters.flatMap(({ name, shape, offset }) => {
      const output = program.outputs.get(`grad.${name}`);
      const ids = output === undefined ? undefined : rowInputs(output, producers);
      if (ids === undefined) return [];
      const [rows = 0, width = 0] = shape;
      const table = { parameter: name, segment: index, offset, rows, width, firstRow, ids: [...new Set(ids)] };
      firstRow += rows;
      return [table];
    }),
  );
}

/** The inputs with the ids of a value that is a sum of embedding gradients alone; undefined for any other value. */
function rowInputs(value: ValueId, producers: ReadonlyMap<ValueId, Node>): readonly string[] | undefined {
  const node = producers.get(value);
  if (node?.op === "add") {
    const parts = node.inputs.map((id) => rowInputs(id, producers));
    return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
  }
  if (node?.op !== "embeddingGrad") return undefined;
  let ids = producers.get(node.inputs[1]!);
  while (ids?.op === "reshape") ids = producers.get(ids.inputs[0]!);
  invariant(ids?.op === "input", "the ids of an embedding are an input of the program");
  return [ids.attributes.name];
}

/** The part of a block that lies in no table, as few spans. Gaps between parameters belong to it. */
export function denseSpans(block: Block, tables: readonly RowTable[]): readonly Span[] {
  const end = block.offset + block.length;
  const spans: Span[] = [];
  let at = block.offset;
  for (const table of tables.filter(({ segment }) => segment === block.segment)) {
    // in order of offset, as they were placed
    const from = Math.max(table.offset, at);
    const to = Math.min(table.offset + table.rows * table.width, end);
    if (from >= to) continue;
    if (from > at) spans.push({ offset: at, length: from - at });
    at = to;
  }
  if (at < end) spans.push({ offset: at, length: end - at });
  return spans;
}

/**
 * The part of `within` whose rows are flagged (or not, with `flagged` 0), neighbouring rows together. `flags` has a
 * byte for each row of all tables.
 */
export function rowSpans(table: RowTable, within: Span, flags: Uint8Array, flagged: 0 | 1 = 1): readonly Span[] {
  const { offset, rows, width, firstRow } = table;
  const end = within.offset + within.length;
  const first = Math.max(0, Math.floor((within.offset - offset) / width));
  const last = Math.min(rows, Math.ceil((end - offset) / width));
  const spans: Span[] = [];
  for (let row = first; row < last;) {
    if (flags[firstRow + row] !== flagged) {
      row++;
      continue;
    }
    let next = row + 1;
    while (next < last && flags[firstRow + next] === flagged) next++;
    const from = Math.max(within.offset, offset + row * width);
    const to = Math.min(end, offset + next * width);
    if (from < to) spans.push({ offset: from, length: to - from });
    row = next;
  }
  return spans;
}
