/**
 * The layout of stepwise decoding: the new tokens of all sequences lie flat, one row each, and attention takes the rows
 * of one sequence (a slot) after another, each over that sequence's own cache. A sequence's tokens are the same bits
 * whatever else is in the step, as long as attention never sees one row: the library computes a lone one otherwise, so
 * it is named twice, and the token that comes next overwrites what the second copy left in the cache
 * (docs/decisions/0007). That rule is kept here, in `cachedInputs`, and nowhere else.
 *
 * Letters: N rows of the step, R rows of a slot, H heads, G key heads, D head width, W the width that the cache has.
 */
import { invariant, LockstepError } from "../../base/index.ts";
import type { GraphBuilder, ValueId } from "../../numeric/graph/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import type { HeadShape, Layout } from "./layers.ts";

/** Heads are widened by zeros to a multiple of it, which changes no product: the library has kernels for such. */
const HEAD_STEP = 8;
/** The library cuts sums over more elements than this at a place that depends on how many keys there are. */
const WIDEST_HEAD = 128;

/** What a slot does in a step: its rows among the N, and what came before. Null: it has no sequence. */
export interface SlotRows {
  readonly first: number;
  /** At least 1. */
  readonly count: number;
  /** Tokens in the cache. */
  readonly past: number;
}

const ROWS = "attention_rows";
const TOTAL = "attention_total";
const BACK = "attention_back";

export function cachedRows(slots: number): Layout {
  return {
    axes: ["N", 1],
    texts: () => {
      throw new LockstepError("INTERNAL", "a step has tokens of sequences, and no whole texts");
    },
    attention: ({ builder: g }, sight) => {
      invariant(sight.sees === "before", "only a model whose tokens do not see later ones can be decoded step by step");
      const sites = Array.from({ length: slots }, (_, slot) => ({
        rows: g.input(`${ROWS}.${slot}`, "int", [`R${slot}`]),
        total: g.input(`${TOTAL}.${slot}`, "int", []),
      }));
      const back = g.input(BACK, "int", ["N"]);
      let layers = 0;
      return (query, key, value, { heads: H, keyHeads: G = H, width: D }: HeadShape) => {
        const W = Math.ceil(D / HEAD_STEP) * HEAD_STEP;
        if (D > WIDEST_HEAD)
          throw new LockstepError(
            "MODEL_INVALID",
            `its attention heads are ${D} wide, and tokens are computed alike in every batch up to ` +
              `${WIDEST_HEAD} only: this model cannot be decoded step by step here`,
            { width: D, limit: WIDEST_HEAD },
          );
        const layer = layers++;
        const parts = [widened(g, query, H, D, W), widened(g, key, G, D, W), widened(g, value, G, D, W)];
        const all = g.concat(parts, 1); // [N, (H + 2·G)·W]
        const mixed = sites.map(({ rows, total }, slot) =>
          g.cachedAttention(g.gatherRows(all, rows), total, {
            ...{ slot, layer, heads: H, keyHeads: G, width: W },
            scale: 1 / Math.sqrt(D),
            window: sight.window,
          }),
        ); // each [R, H·W]
        const rows = g.gatherRows(mixed.length === 1 ? (mixed[0] as ValueId) : g.concat(mixed, 0), back); // [N, H·W]
        return W === D ? rows : g.reshape(g.slice(g.reshape(rows, ["N", H, W]), 2, { end: D }), ["N", H * D]);
      };
    },
  };
}

/** [N, heads, 1, D] → [N, heads·W] */
function widened(g: GraphBuilder, x: ValueId, heads: number, D: number, W: number): ValueId {
  return g.reshape(W === D ? x : g.pad(x, 3, { after: W - D }), ["N", heads * W]);
}

/** The inputs that `cachedRows` declares. Rows beyond those of the slots (see `evenRows`) take what row 0 gets. */
export function cachedInputs(slots: readonly (SlotRows | null)[], N: number): Record<string, HostTensor> {
  const inputs: Record<string, HostTensor> = {};
  const back = new Int32Array(N);
  let at = 0;
  slots.forEach((slot, index) => {
    const { first, count, past } = slot ?? { first: 0, count: 1, past: 0 };
    const rows = Int32Array.from({ length: Math.max(2, count) }, (_, i) => first + Math.min(i, count - 1));
    inputs[`${ROWS}.${index}`] = tensor("int32", [rows.length], rows);
    inputs[`${TOTAL}.${index}`] = tensor("int32", [], Int32Array.of(past + rows.length));
    if (slot !== null) for (let i = 0; i < count; i++) back[first + i] = at + i;
    at += rows.length;
  });
  inputs[BACK] = tensor("int32", [N], back);
  return inputs;
}

/** Tokens that a slot's cache has to have room for: a lone row's copy lies one behind it. */
export function roomFor({ count, past }: Pick<SlotRows, "count" | "past">): number {
  return past + Math.max(2, count);
}
