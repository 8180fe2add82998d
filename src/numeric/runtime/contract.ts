/**
 * The one contract of every executor. A program is loaded once, with its weights, and run many times:
 * `run(inputs, outputs)` — on return, `outputs` hold the results. Nothing above this room sees a library's tensor.
 */
import type { Graph } from "../graph/index.ts";
import type { PackedHandle } from "./handles.ts";
import type { HostTensor } from "../tensor/index.ts";

export type ExecutorName = "reference" | "native" | "portable";
/**
 * shared: weights are read from the bound buffers at every run (training). packed: weights are copied into the session
 * when it is loaded (serving); embedding tables stay where they are, one copy for every replica.
 */
export type Form = "shared" | "packed";

/** What decides the bits below Lockstep. Two equal profiles promise equal bits. */
export interface Profile {
  readonly executor: ExecutorName;
  readonly form: Form;
  /** Library and version, for WebAssembly with the SHA-256 of the .wasm. */
  readonly build: string;
  /** CPU model and instruction set for native; "any" for portable and reference. */
  readonly cpu: string;
  /** Library and version where ids are made by one; absent for Lockstep's own code, which gives the same everywhere. */
  readonly tokenizer?: string;
  /** SHA-256 (hex) of the canonical JSON of the fields above. */
  readonly id: string;
}

/** By name. Real inputs and outputs are float32, or float64 in the reference executor; int ones are int32. */
export type Bindings = Readonly<Record<string, HostTensor>>;

/**
 * What dropout masks are a function of, beside the graph's site. All are unsigned 32-bit integers; seed is two of them.
 */
export interface RandomKey {
  readonly seed: readonly [number, number];
  readonly step: number;
  readonly shard: number;
}

/** What a program's `cachedAttention` nodes keep for one sequence. */
export interface CacheShape {
  readonly layers: number;
  readonly keyHeads: number;
  /** Of a head. */
  readonly width: number;
}

/**
 * Keys and values of one sequence, a buffer of the executor's that lives between runs. It does not know how many tokens
 * it holds: whoever decodes does, and says so at each run (`total`). Tokens from `total − R` on are written by a run,
 * those before it are only read: so any run may be done again, and a sequence may go back to any earlier token. After a
 * run that failed, the tokens before it are what they were.
 */
export interface Cache {
  readonly shape: CacheShape;
  /** Tokens that it has room for. */
  readonly capacity: number;
  /** What it takes of memory. */
  readonly bytes: number;
  /** Makes room for so many tokens, in steps of 64; what it holds is kept. @throws INPUT_TOO_LARGE */
  reserve(tokens: number): void;
  /** The first tokens as bytes, for another cache of the same program in the same profile, here or elsewhere. */
  export(tokens: number): Uint8Array;
  /** Takes what `export` gave, and makes room for it. Returns the tokens. @throws INPUT_INVALID */
  import(bytes: Uint8Array): number;
  /** Gives the memory back at once. Not while a run uses it. Idempotent. */
  free(): void;
}

export interface RunOptions {
  /**
   * For a program with `cachedAttention`: the cache of each slot. Null where a slot has no sequence: its rows are
   * computed all the same, without a past, and forgotten. A cache stands in one slot at most.
   */
  readonly caches?: readonly (Cache | null)[];
  /**
   * Outputs whose tensors hold nothing but zeros: where one is a gradient of embedding rows alone, it need not be
   * zeroed first.
   */
  readonly zeroed?: ReadonlySet<string>;
}

export interface LoadOptions {
  /** What messages call the program. @default the names of its outputs */
  readonly name?: string;
  readonly form: Form;
  /**
   * Every parameter of the graph. In shared form the very buffers are used at each run. In packed form they may be
   * changed or dropped afterwards, except embedding tables: those are always read where they are.
   */
  readonly weights: Bindings;
  /**
   * In packed form: one copy for all sessions of the process, made by `createPackedWeights`. The weights are then used
   * where they lie, which must be shared memory, and may neither change nor go while a session lives. Executors that
   * cannot share ignore it. @default a copy for this session
   */
  readonly packed?: PackedHandle;
}

export interface Session {
  readonly profile: Profile;
  /**
   * Runs the program. `inputs` has every input of the graph; symbols are bound from their shapes, and must agree.
   * `outputs` has a preallocated tensor for each wanted output (a subset is allowed; the others are not returned).
   * A mask without `random` in a graph that has dropout is an error. One run at a time per session. CANCELLED, with
   * `details.interrupted`, where another thread ended it (`Scope.interrupt`): the same run may be tried again. Through
   * the C interface it computes before it returns: the event loop gets its turns from whoever runs it.
   */
  run(inputs: Bindings, outputs: Bindings, random?: RandomKey, options?: RunOptions): Promise<void>;
  /** Releases the library's session. Idempotent. */
  dispose(): Promise<void>;
}

export interface Executor {
  readonly name: ExecutorName;
  /** float64 for the reference executor. */
  readonly real: "float32" | "float64";
  load(graph: Graph, options: LoadOptions): Promise<Session>;
  /**
   * An empty cache with room for so many tokens (rounded up to 64), for any session of this executor.
   * @throws OPTION_INVALID, INPUT_TOO_LARGE
   */
  createCache(shape: CacheShape, tokens: number): Cache;
}
