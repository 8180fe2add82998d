/**
 * One loaded program over either build of ONNX Runtime. A run is: bind symbols, feed (weights, inputs, shapes, gathered
 * rows, masks), run the library, then add embedding gradients. All validation is here, so that both executors refuse
 * alike.
 */
import { access, LockstepError } from "../../base/index.ts";
import { bindShapes, evalDim, evalShape, type SymbolBindings } from "../graph/index.ts";
import { elements, type HostTensor } from "../tensor/index.ts";
import { bindCaches, type CacheLayer, type CacheStore, type StoredCache } from "./cache.ts";
import type { Bindings, CacheShape, LoadOptions, Profile, RandomKey, RunOptions, Session } from "./contract.ts";
import { checkIds, Scratch, type HostKernels } from "./host.ts";
import { InterruptedRun, QUIET, type OrtInferenceSession, type OrtLibrary, type OrtTensor } from "./ort.ts";
import type { CacheNames, LoweredProgram, ResultPlan } from "./program.ts";

export interface ProgramSessionOptions {
  readonly name: string;
  readonly profile: Profile;
  readonly program: LoweredProgram;
  readonly library: OrtLibrary;
  readonly session: OrtInferenceSession;
  /** The embedding tables, and in shared form all weights. */
  readonly weights: Bindings;
  readonly kernels: HostKernels;
  readonly caches: CacheStore;
  /** The library writes into buffers of ours; where it cannot, results are copied. */
  readonly writesInPlace: boolean;
}

type Feeds = Record<string, OrtTensor>;
/** A layer of a cache in a run, and which of its tokens are new. */
interface CachedLayer {
  readonly names: CacheNames;
  readonly layer: CacheLayer;
  readonly from: number;
  readonly end: number;
}
type Wanted = readonly [output: string, plan: ResultPlan, target: HostTensor];

export class ProgramSession implements Session {
  readonly profile: Profile;
  readonly #options: ProgramSessionOptions;
  readonly #scratch = new Scratch();
  readonly #weights: Feeds = {};
  #running: Promise<void> | null = null;
  #disposed = false;
  #idle: StoredCache | null = null;

  constructor(options: ProgramSessionOptions) {
    this.profile = options.profile;
    this.#options = options;
    if (options.program.form === "shared") {
      for (const [name, feed] of options.program.weightFeeds)
        this.#weights[feed] = this.#tensor(weight(options.weights, name));
    }
  }

  async run(inputs: Bindings, outputs: Bindings, random?: RandomKey, options: RunOptions = {}): Promise<void> {
    const { name } = this.#options;
    if (this.#disposed)
      throw new LockstepError("RUNTIME_FAILED", `${name}: the session was disposed; load the program again`, {
        program: name,
      });
    if (this.#running !== null)
      throw new LockstepError(
        "RUNTIME_FAILED",
        `${name}: a run is in progress, and a session runs one at a time; await it, or load another session`,
        { program: name },
      );
    this.#running = this.#step(inputs, outputs, random, options);
    try {
      await this.#running;
    } finally {
      this.#running = null;
    }
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#running?.catch(() => undefined); // whoever called run() gets its error
    await this.#options.session.release();
    this.#scratch.clear();
    this.#idle?.free();
  }

  async #step(
    inputs: Bindings,
    outputs: Bindings,
    random: RandomKey | undefined,
    { zeroed, caches = [] }: RunOptions,
  ): Promise<void> {
    const symbols = this.#bind(inputs);
    const wanted = this.#wanted(outputs, symbols);
    const cached = this.#cached(inputs, symbols, caches);
    const feeds = this.#feeds(inputs, symbols, random);
    for (const { names, layer } of cached) {
      feeds[names.pastKey] = this.#tensor(layer.key);
      feeds[names.pastValue] = this.#tensor(layer.value);
    }
    for (const [output, { fetch }, target] of wanted)
      if (fetch === null && zeroed?.has(output) !== true) target.data.fill(0 as never);
    const fetches = this.#fetches(wanted, symbols);
    await this.#compute(feeds, fetches, cached, symbols);
    for (const [, plan, target] of wanted) this.#addRowGradients(plan, target, inputs, symbols);
  }

  #bind(inputs: Bindings): SymbolBindings {
    const { name, program } = this.#options;
    const unknown = Object.keys(inputs).find((input) => !program.inputs.has(input));
    if (unknown !== undefined)
      throw new LockstepError(
        "INPUT_INVALID",
        `${name} has no input ${unknown}; it has ${[...program.inputs.keys()].join(", ") || "none"}`,
        { program: name, input: unknown },
      );
    return bindShapes(
      [...program.inputs].map(([input, { type, shape }]) => {
        const given = inputs[input];
        const dtype = type === "real" ? "float32" : "int32";
        if (given?.dtype !== dtype)
          throw new LockstepError(
            "INPUT_INVALID",
            `${name}: input ${input} must be ${dtype}[${shape.join(", ")}], not ${given?.dtype ?? "missing"}`,
            { program: name, input },
          );
        return { what: `${name}: input ${input}`, shape, actual: given.shape };
      }),
    );
  }

  #wanted(outputs: Bindings, symbols: SymbolBindings): Wanted[] {
    const { name, program } = this.#options;
    return Object.entries(outputs).map(([output, target]) => {
      const plan = program.results.get(output);
      if (plan === undefined)
        throw new LockstepError(
          "INPUT_INVALID",
          `${name} has no output ${output}; it has ${[...program.results.keys()].join(", ")}`,
          { program: name, output },
        );
      const shape = evalShape(plan.shape, symbols);
      const dtype = plan.type === "real" ? "float32" : "int32";
      if (target.dtype !== dtype || target.shape.join() !== shape.join()) {
        throw new LockstepError(
          "INPUT_INVALID",
          `${name}: output ${output} will be ${dtype}[${shape.join(", ")}], but its tensor is ${target.dtype}[` +
            `${target.shape.join(", ")}]`,
          { program: name, output, shape, actual: target.shape },
        );
      }
      return [output, plan, target];
    });
  }

  #feeds(inputs: Bindings, symbols: SymbolBindings, random: RandomKey | undefined): Feeds {
    const { program, weights, kernels, library } = this.#options;
    const feeds: Feeds = { ...this.#weights };
    // #bind saw them all
    for (const [input, feed] of program.inputFeeds) feeds[feed] = this.#tensor(inputs[input] as HostTensor);
    for (const { feed, dims } of program.shapeFeeds)
      feeds[feed] = new library.Tensor("int64", BigInt64Array.from(evalShape(dims, symbols), BigInt), [dims.length]);
    for (const { feed, table, ids, shape } of program.gatherFeeds) {
      const {
        data,
        shape: [rows = 0, columns = 0],
      } = weight(weights, table);
      const index = inputs[ids]?.data as Int32Array;
      checkIds(index, rows, ids);
      const target = this.#scratchTensor(feed, shape, symbols);
      kernels.gatherRows(target.data, data, index, columns);
      feeds[feed] = this.#tensor(target);
    }
    if (program.maskFeeds.length > 0) Object.assign(feeds, this.#masks(symbols, random));
    return feeds;
  }

  /** All masks lie one after another, each at a multiple of 64 bytes. */
  #masks(symbols: SymbolBindings, random: RandomKey | undefined): Feeds {
    const { name, program, kernels } = this.#options;
    if (random === undefined)
      throw new LockstepError(
        "INPUT_INVALID",
        `${name} has dropout: run it with the key that its masks are a function of (seed, step, shard)`,
        { program: name },
      );
    const masks = program.maskFeeds.map((mask) => ({ ...mask, shape: evalShape(mask.shape, symbols) }));
    const block = this.#scratch.take(
      "masks",
      masks.reduce((total, { shape }) => total + paddedTo16(elements(shape)), 0),
      kernels.allocate,
    );
    let at = 0;
    return Object.fromEntries(
      masks.map(({ feed, shape, rate, site }) => {
        const data = block.subarray(at, at + elements(shape));
        at += paddedTo16(data.length);
        kernels.fillDropoutMask(data, rate, site, random);
        return [feed, this.#tensor({ dtype: "float32", shape, data })];
      }),
    );
  }

  /** Where the session's results go: wanted outputs, and scratch memory for the rows of embedding gradients. */
  #fetches(wanted: readonly Wanted[], symbols: SymbolBindings): Map<string, HostTensor> {
    const fetches = new Map<string, HostTensor>();
    for (const [, { fetch, rowGradients }, target] of wanted) {
      if (fetch !== null) fetches.set(fetch, target);
      for (const gradient of rowGradients)
        fetches.set(gradient.fetch, this.#scratchTensor(gradient.fetch, gradient.shape, symbols));
    }
    return fetches;
  }

  #cached(inputs: Bindings, symbols: SymbolBindings, caches: NonNullable<RunOptions["caches"]>): CachedLayer[] {
    const { name, program, caches: store } = this.#options;
    const sites = program.cacheFeeds.map((feed) => ({
      ...feed,
      rows: evalDim(feed.rows, symbols),
      total: Number(inputs[feed.total]?.data[0]),
    }));
    const layers = bindCaches(name, sites, caches, {
      store,
      idle: (shape, tokens) => this.#idleCache(shape, tokens),
    });
    return sites.map(({ names, rows, total }, i) => ({
      names,
      layer: layers[i] as CacheLayer,
      from: total - rows,
      end: total,
    }));
  }

  /** Of all slots that have no sequence: they write over each other's, and nobody reads it. */
  #idleCache(shape: CacheShape, tokens: number): StoredCache {
    this.#idle ??= this.#options.caches.create(shape, tokens);
    this.#idle.reserve(tokens);
    return this.#idle;
  }

  async #compute(
    feeds: Feeds,
    fetches: Map<string, HostTensor>,
    cached: readonly CachedLayer[],
    symbols: SymbolBindings,
  ): Promise<void> {
    const { name, session, writesInPlace } = this.#options;
    if (writesInPlace)
      for (const { names, layer } of cached) fetches.set(names.key, layer.key).set(names.value, layer.value);
    if (fetches.size + cached.length === 0) return;
    for (const { data } of Object.values(feeds)) access(data, "r"); // inputs, and weights in shared form
    try {
      if (writesInPlace) {
        for (const { data } of fetches.values()) access(data, "w");
        await session.run(
          feeds,
          Object.fromEntries([...fetches].map(([fetch, target]) => [fetch, this.#tensor(target)])),
          QUIET,
        );
        return;
      }
      const kept = cached.flatMap(({ names }) => [names.key, names.value]);
      const results = await session.run(feeds, [...fetches.keys(), ...kept], QUIET);
      const result = (fetch: string): Float32Array => (results[fetch] as OrtTensor).data as Float32Array;
      for (const [fetch, target] of fetches) (target.data as Float32Array).set(result(fetch));
      for (const one of cached) {
        keepNew(one.layer.key, result(one.names.key), one);
        keepNew(one.layer.value, result(one.names.value), one);
      }
    } catch (cause) {
      if (cause instanceof InterruptedRun)
        throw new LockstepError("CANCELLED", `${name} was ended before it was done`, { interrupted: true }, { cause });
      const shapes = Object.entries(symbols)
        .map(([symbol, value]) => `${symbol} = ${value}`)
        .join(", ");
      throw new LockstepError(
        "RUNTIME_FAILED",
        `${name} failed${shapes === "" ? "" : ` with ${shapes}`}: ` +
          (cause instanceof Error ? cause.message : String(cause)),
        { program: name, executor: this.profile.executor, shapes },
        { cause },
      );
    }
  }

  #addRowGradients({ rowGradients }: ResultPlan, target: HostTensor, inputs: Bindings, symbols: SymbolBindings): void {
    for (const { fetch, shape, ids, rows, paddingId } of rowGradients) {
      const index = inputs[ids]?.data as Int32Array;
      checkIds(index, rows, ids);
      const { data } = this.#scratchTensor(fetch, shape, symbols);
      this.#options.kernels.addRows(target.data as Float32Array, data, index, target.shape[1] ?? 0, paddingId);
    }
  }

  #scratchTensor(name: string, shape: ResultPlan["shape"], symbols: SymbolBindings): HostTensor<"float32"> {
    const actual = evalShape(shape, symbols);
    return { dtype: "float32", shape: actual, data: this.#scratch.take(name, elements(actual)) };
  }

  #tensor({ dtype, data, shape }: HostTensor): OrtTensor {
    return new this.#options.library.Tensor(dtype, data, shape);
  }
}

/** Copies the new tokens of each head [1, heads, capacity, width]. */
function keepNew(target: CacheLayer["key"], source: Float32Array, { from, end }: CachedLayer): void {
  const [, heads = 0, capacity = 0, width = 0] = target.shape;
  for (let head = 0; head < heads; head++) {
    const at = head * capacity * width;
    target.data.set(source.subarray(at + from * width, at + end * width), at + from * width);
  }
}

function paddedTo16(length: number): number {
  return Math.ceil(length / 16) * 16;
}

function weight(weights: Bindings, name: string): HostTensor<"float32"> {
  return weights[name] as HostTensor<"float32">; // checkWeights saw it
}

/** Every parameter, with its shape and type; WEIGHTS_INVALID otherwise. */
export function checkWeights(name: string, program: LoweredProgram, { weights }: LoadOptions): void {
  for (const [parameter, shape] of program.parameters) {
    const given = weights[parameter];
    const actual = given === undefined ? "missing" : `${given.dtype}[${given.shape.join(", ")}]`;
    if (actual !== `float32[${shape.join(", ")}]`)
      throw new LockstepError(
        "WEIGHTS_INVALID",
        `${name}: parameter ${parameter} must be float32[${shape.join(", ")}], not ${actual}`,
        { program: name, parameter, shape, actual },
      );
  }
}
