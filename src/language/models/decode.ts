/**
 * A language model's program for stepwise decoding, and the inputs of a step. Prompts in chunks, single tokens and
 * guesses to be checked are one kind of work: new tokens of a sequence, and how many of its last ones logits are wanted
 * for. See cached-rows.ts for what makes a token's bits independent of how its sequence was cut into steps.
 */
import { LockstepError } from "../../base/index.ts";
import { GraphBuilder, type Graph } from "../../numeric/graph/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import type { Batch, TokenRow } from "./batch.ts";
import { cachedInputs, cachedRows, roomFor, type SlotRows } from "./cached-rows.ts";
import { buildModel, familyInputs, type ModelConfig } from "./families.ts";
import { LayerContext } from "./layers.ts";

/** What one sequence does in a step. */
export interface DecodeRows {
  /** At least one. */
  readonly ids: Int32Array;
  /** Tokens that its cache has. */
  readonly past: number;
  /** Of so many of the new tokens, counted from the last: the logits of what comes next. 0..ids.length */
  readonly logits: number;
}

/** `logits` [P, V]; its inputs are those of `DecodeInputs`. A slot without a sequence costs time too. */
export function decodeGraph(config: ModelConfig, { slots }: { readonly slots: number }): Graph {
  const g = new GraphBuilder();
  g.output("logits", buildModel(new LayerContext(g, false, cachedRows(slots)), config, { kind: "causal-lm" }));
  return g.build();
}

/** What the program keeps of a sequence; of the graph, so that nothing has to be said twice. */
export function cacheShapeOf({ nodes }: Graph): {
  readonly layers: number;
  readonly keyHeads: number;
  readonly width: number;
} {
  const layers = nodes.flatMap((node) =>
    node.op === "cachedAttention" && node.attributes.slot === 0 ? [node.attributes] : [],
  );
  const [first] = layers;
  if (first === undefined) throw new LockstepError("INTERNAL", "the program keeps nothing between its runs");
  return { layers: layers.length, keyHeads: first.keyHeads, width: first.width };
}

export interface StepInputs {
  readonly inputs: Readonly<Record<string, HostTensor>>;
  /** P, rows of `logits`; one more than is wanted where rows come in even numbers. */
  readonly logits: number;
  /** The first row of each slot's logits. */
  readonly firsts: readonly number[];
  /** Tokens that each slot's cache must have room for; 0 without a sequence. */
  readonly rooms: readonly number[];
}

export interface DecodeInputsOptions {
  readonly real: "float32" | "float64";
  /**
   * Rows of the step and of its logits come in even numbers, as products with weights in large blocks of 4 or 8 bits
   * want it (an odd last row takes another kernel there). @default false
   */
  readonly evenRows?: boolean;
}

const FEWEST_POSITIONS = 64;

/** Makes the inputs of one step after another; tables of positions are made once for each power of two. */
export class DecodeInputs {
  readonly #config: ModelConfig;
  readonly #options: Required<DecodeInputsOptions>;
  #kept: { readonly positions: number; readonly inputs: Record<string, HostTensor> } | null = null;

  constructor(config: ModelConfig, options: DecodeInputsOptions) {
    this.#config = config;
    this.#options = { evenRows: false, ...options };
  }

  /**
   * One entry for each slot of the program.
   * @throws INPUT_INVALID without any token; INPUT_TOO_LARGE beyond the model's positions
   */
  of(slots: readonly (DecodeRows | null)[]): StepInputs {
    const even = (count: number): number => (this.#options.evenRows ? 2 * Math.ceil(count / 2) : count);
    const work = slots.map((rows, slot) => rows && this.#checked(rows, slot));
    const rows: TokenRow[] = [];
    const [starts, offsets]: [number[], number[]] = [[], []];
    const placed: (SlotRows | null)[] = [];
    const wanted: number[] = [];
    const firsts: number[] = [];
    let n = 0;
    for (const one of work) {
      firsts.push(wanted.length);
      placed.push(one && { first: n, count: one.ids.length, past: one.past });
      if (one === null) continue;
      rows.push({ ids: one.ids });
      starts.push(one.past);
      offsets.push(n);
      n += one.ids.length;
      for (let i = one.logits; i > 0; i--) wanted.push(n - i);
    }
    if (n === 0) throw new LockstepError("INPUT_INVALID", "a step needs at least one new token");
    if (wanted.length !== even(wanted.length)) wanted.push(wanted[0] as number);
    const N = even(n);
    const batch: Batch = {
      axes: [N, 1],
      rows,
      lengths: rows.map(({ ids }) => ids.length),
      offsets,
      starts,
      positions: this.#positions(work),
      padId: 0,
      real: this.#options.real,
      sight: () => cachedInputs(placed, N),
      means: () => ({}),
      keep: (make) => this.#keep(batch.positions, make),
    };
    const positions = tensor("int32", [wanted.length], Int32Array.from(wanted));
    return {
      inputs: { ...familyInputs(this.#config, batch), positions },
      logits: wanted.length,
      firsts,
      rooms: placed.map((slot) => (slot === null ? 0 : roomFor(slot))),
    };
  }

  #checked(rows: DecodeRows, slot: number): DecodeRows {
    const { ids, past, logits } = rows;
    const longest = this.#config.max_position_embeddings;
    if (ids.length === 0 || past < 0 || logits < 0 || logits > ids.length)
      throw new LockstepError(
        "INPUT_INVALID",
        `slot ${slot}: ${ids.length} tokens after ${past}, of which the last ${logits} are to have logits`,
        { slot },
      );
    if (past + ids.length > longest)
      throw new LockstepError(
        "INPUT_TOO_LARGE",
        `${past + ids.length} tokens are more than the ${longest} that the model has positions for`,
        { tokens: past + ids.length, limit: longest },
      );
    return rows;
  }

  /** Of the tables: a power of two, so that they are seldom made anew, and no more than the model has. */
  #positions(work: readonly (DecodeRows | null)[]): number {
    const longest = work.reduce((most, rows) => Math.max(most, rows === null ? 0 : rows.past + rows.ids.length), 0);
    let positions = this.#kept?.positions ?? FEWEST_POSITIONS;
    while (positions < longest) positions *= 2;
    return positions;
  }

  #keep(positions: number, make: () => Record<string, HostTensor>): Record<string, HostTensor> {
    if (this.#kept?.positions !== positions) this.#kept = { positions, inputs: make() };
    return this.#kept.inputs;
  }
}
