/**
 * A lowered program: ONNX bytes, and what surrounds a run of them. The library's session computes all that is dense;
 * the host gathers embedding rows and fills dropout masks before it, and adds the rows of embedding gradients after it.
 * Data and the
 * names in it.
 */
import type { Dim, Shape, ValueType } from "../graph/index.ts";
import type { Form } from "./contract.ts";

export interface Declared {
  readonly type: ValueType;
  readonly shape: Shape;
}

/** An int64 vector that the executor computes from the symbols of a run: the target of a reshape, for instance. */
export interface ShapeFeed {
  readonly feed: string;
  readonly dims: Shape;
}
/** Rows of a table, gathered into scratch memory: row i is row ids[i] of the parameter `table`. */
export interface GatherFeed {
  readonly feed: string;
  readonly table: string;
  readonly ids: string;
  readonly shape: Shape;
}
/** A dropout mask, filled in scratch memory. */
export interface MaskFeed {
  readonly feed: string;
  readonly shape: Shape;
  readonly rate: number;
  readonly site: number;
}

/**
 * Rows to add to a result, in (row, position) order: `fetch` is the session's output that has them, one for each id.
 */
export interface RowGradient {
  readonly fetch: string;
  readonly shape: Shape;
  readonly ids: string;
  readonly rows: number;
  readonly paddingId: number;
}

export interface ResultPlan extends Declared {
  /** The session's output, or null where the result consists of row gradients alone and starts at zero. */
  readonly fetch: string | null;
  readonly rowGradients: readonly RowGradient[];
}

/** A layer of the cache in a slot: inputs and outputs of the model that are one piece of memory. */
export interface CacheFeed {
  readonly slot: number;
  readonly layer: number;
  readonly keyHeads: number;
  readonly width: number;
  /** New tokens. */
  readonly rows: Dim;
  /** The graph's input that says how many tokens there are with them. */
  readonly total: string;
  readonly names: CacheNames;
}
export interface CacheNames {
  readonly pastKey: string;
  readonly pastValue: string;
  readonly key: string;
  readonly value: string;
}

/** What a layer of a slot is called in the model. */
export function cacheNames({ slot, layer }: Pick<CacheFeed, "slot" | "layer">): CacheNames {
  const name = (part: string): string => `${part}:${slot}:${layer}`;
  return {
    pastKey: name("past-key"),
    pastValue: name("past-value"),
    key: name("key"),
    value: name("value"),
  };
}

export interface LoweredProgram {
  readonly form: Form;
  /** The model without any weight in it. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** Everything the graph declares, by its name there. */
  readonly inputs: ReadonlyMap<string, Declared>;
  readonly parameters: ReadonlyMap<string, readonly number[]>;
  /** Inputs of the graph that the session itself reads: name in the graph → feed. */
  readonly inputFeeds: ReadonlyMap<string, string>;
  /** Weights that the session reads: name in the graph → feed (shared form) or place of external data (packed form). */
  readonly weightFeeds: ReadonlyMap<string, string>;
  readonly shapeFeeds: readonly ShapeFeed[];
  readonly gatherFeeds: readonly GatherFeed[];
  readonly maskFeeds: readonly MaskFeed[];
  readonly cacheFeeds: readonly CacheFeed[];
  readonly results: ReadonlyMap<string, ResultPlan>;
}
