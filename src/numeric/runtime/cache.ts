/**
 * Keys and values that an executor keeps between runs, one cache a sequence: `cachedAttention` reads and writes it in
 * place, everybody else sees tokens and bytes. All layers of a cache lie in one block, each as the library wants it:
 * [1, key heads, capacity, width], keys then values. A block that is freed is used again; so what lies behind a
 * sequence's tokens is whatever another one left there, and no kernel reads it.
 */
import { formatBytes, LockstepError } from "../../base/index.ts";
import { tensor, type HostTensor } from "../tensor/index.ts";
import type { Cache, CacheShape } from "./contract.ts";

/** Capacities are multiples of it, in tokens: the package's binding copies whole caches at each run, so short ones. */
export const CACHE_STEP = 64;
/** Freed blocks that wait for the next sequence. */
const KEPT_BYTES = 64 * 1024 * 1024;

type Reals = Float32Array | Float64Array;
export interface CacheLayer {
  readonly key: HostTensor<"float32" | "float64">;
  readonly value: HostTensor<"float32" | "float64">;
}

export interface CacheStoreOptions {
  readonly real: "float32" | "float64";
  readonly allocate: (bytes: number) => ArrayBufferLike;
}

/** The caches of one executor. */
export class CacheStore {
  readonly real: CacheStoreOptions["real"];
  readonly #allocate: CacheStoreOptions["allocate"];
  readonly #freed: ArrayBufferLike[] = [];
  #freedBytes = 0;

  constructor({ real, allocate }: CacheStoreOptions) {
    this.real = real;
    this.#allocate = allocate;
  }

  /** @throws OPTION_INVALID, INPUT_TOO_LARGE */
  create(shape: CacheShape, tokens: number): StoredCache {
    return new StoredCache(this, shape, tokens);
  }

  take(bytes: number): ArrayBufferLike {
    const at = this.#freed.findIndex(({ byteLength }) => byteLength === bytes);
    if (at >= 0) {
      this.#freedBytes -= bytes;
      return this.#freed.splice(at, 1)[0] as ArrayBufferLike;
    }
    try {
      return this.#allocate(bytes);
    } catch (cause) {
      throw new LockstepError(
        "INPUT_TOO_LARGE",
        `no memory for a cache of ${formatBytes(bytes)}; free other sequences, or ask for fewer tokens`,
        { bytes },
        { cause },
      );
    }
  }

  give(block: ArrayBufferLike): void {
    if (this.#freedBytes + block.byteLength > KEPT_BYTES) return; // it goes with the next collection
    this.#freed.push(block);
    this.#freedBytes += block.byteLength;
  }

  /** A view of `length` reals at the `index`-th of such places in a block. */
  view(block: ArrayBufferLike, index: number, length: number): Reals {
    return this.real === "float32"
      ? new Float32Array(block, 4 * index * length, length)
      : new Float64Array(block, 8 * index * length, length);
  }
}

export class StoredCache implements Cache {
  readonly shape: CacheShape;
  readonly store: CacheStore;
  #capacity: number;
  /** Null: freed. */
  #block: ArrayBufferLike | null;
  #layers: readonly CacheLayer[];

  constructor(store: CacheStore, shape: CacheShape, tokens: number) {
    for (const [name, count] of Object.entries({ ...shape, tokens }))
      if (!Number.isSafeInteger(count) || count < 1)
        throw new LockstepError("OPTION_INVALID", `${name} of a cache must be a positive integer, not ${count}`, {
          option: name,
        });
    this.store = store;
    this.shape = { layers: shape.layers, keyHeads: shape.keyHeads, width: shape.width };
    this.#capacity = steps(tokens);
    this.#block = store.take(this.bytes);
    this.#layers = this.#views(this.#block);
  }

  get capacity(): number {
    return this.#capacity;
  }

  get bytes(): number {
    const { layers, keyHeads, width } = this.shape;
    return (this.store.real === "float32" ? 4 : 8) * 2 * layers * keyHeads * this.#capacity * width;
  }

  /** What the kernels work on. Other views after `reserve`. */
  get layers(): readonly CacheLayer[] {
    this.#live();
    return this.#layers;
  }

  reserve(tokens: number): void {
    const before = this.#live();
    if (tokens <= this.#capacity) return;
    const [from, old] = [this.#layers, this.#capacity];
    this.#capacity = steps(tokens);
    try {
      this.#block = this.store.take(this.bytes);
    } catch (thrown) {
      this.#capacity = old;
      throw thrown;
    }
    this.#layers = this.#views(this.#block);
    const { keyHeads, width } = this.shape;
    const copied = old * width;
    this.#pairs(from).forEach((source, i) => {
      const target = this.#pairs(this.#layers)[i] as Reals;
      for (let head = 0; head < keyHeads; head++)
        target.set(source.subarray(head * copied, (head + 1) * copied), head * this.#capacity * width);
    });
    this.store.give(before);
  }

  export(tokens: number): Uint8Array {
    this.#live();
    this.#require(tokens);
    const parts = this.#runs(tokens).map((run) => new Uint8Array(run.buffer, run.byteOffset, run.byteLength));
    const head = header(this.store.real, this.shape, tokens);
    const bytes = new Uint8Array(head.length + parts.reduce((sum, { length }) => sum + length, 0));
    bytes.set(head);
    let at = head.length;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  import(bytes: Uint8Array): number {
    this.#live();
    const tokens = tokensIn(bytes);
    const expected = header(this.store.real, this.shape, tokens);
    const { layers, keyHeads, width } = this.shape;
    const length = expected.length + (this.store.real === "float32" ? 4 : 8) * 2 * layers * keyHeads * tokens * width;
    if (expected.some((byte, i) => bytes[i] !== byte) || bytes.length !== length)
      throw invalid(
        `they are no cache of ${layers} layers of ${keyHeads} key heads of ${width} ${this.store.real} numbers; ` +
          "a cache moves between sessions of one model in one profile only",
      );
    this.reserve(tokens);
    let at = expected.length;
    for (const run of this.#runs(tokens)) {
      new Uint8Array(run.buffer, run.byteOffset, run.byteLength).set(bytes.subarray(at, at + run.byteLength));
      at += run.byteLength;
    }
    return tokens;
  }

  free(): void {
    if (this.#block === null) return;
    this.store.give(this.#block);
    this.#block = null;
    this.#layers = [];
  }

  #live(): ArrayBufferLike {
    if (this.#block === null)
      throw new LockstepError("RUNTIME_FAILED", "this cache was freed; its memory may be another sequence's by now");
    return this.#block;
  }

  #require(tokens: number): void {
    if (!Number.isSafeInteger(tokens) || tokens < 0 || tokens > this.#capacity)
      throw new LockstepError("OPTION_INVALID", `a cache for ${this.#capacity} tokens does not have ${tokens}`, {
        tokens,
      });
  }

  #views(block: ArrayBufferLike): CacheLayer[] {
    const { layers, keyHeads, width } = this.shape;
    const shape = [1, keyHeads, this.#capacity, width];
    const length = keyHeads * this.#capacity * width;
    const part = (index: number): CacheLayer["key"] => {
      const data = this.store.view(block, index, length);
      return data instanceof Float32Array ? tensor("float32", shape, data) : tensor("float64", shape, data);
    };
    return Array.from({ length: layers }, (_, layer) => ({ key: part(2 * layer), value: part(2 * layer + 1) }));
  }

  #pairs(layers: readonly CacheLayer[]): Reals[] {
    return layers.flatMap(({ key, value }) => [key.data, value.data]);
  }

  /** The first tokens of each head of each layer, keys before values. */
  #runs(tokens: number): Reals[] {
    const { keyHeads, width } = this.shape;
    return this.#pairs(this.#layers).flatMap((data) =>
      Array.from({ length: keyHeads }, (_, head) => {
        const from = head * this.#capacity * width;
        return data.subarray(from, from + tokens * width);
      }),
    );
  }
}

function steps(tokens: number): number {
  return Math.ceil(tokens / CACHE_STEP) * CACHE_STEP;
}

/** "lkcache1", then little-endian words: bytes of a number, layers, key heads, width, tokens. */
const MAGIC = new TextEncoder().encode("lkcache1");
const WORDS = 5;

function header(real: CacheStoreOptions["real"], { layers, keyHeads, width }: CacheShape, tokens: number): Uint8Array {
  const bytes = new Uint8Array(MAGIC.length + 4 * WORDS);
  bytes.set(MAGIC);
  const view = new DataView(bytes.buffer);
  [real === "float32" ? 4 : 8, layers, keyHeads, width, tokens].forEach((word, i) =>
    view.setUint32(MAGIC.length + 4 * i, word, true),
  );
  return bytes;
}

function tokensIn(bytes: Uint8Array): number {
  const end = MAGIC.length + 4 * WORDS;
  if (bytes.length < end) throw invalid("they are too few");
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(end - 4, true);
}

function invalid(why: string): LockstepError {
  return new LockstepError("INPUT_INVALID", `these bytes are not taken for a cache: ${why}`);
}

/** One `cachedAttention` of a program. */
export interface CacheSite {
  readonly slot: number;
  readonly layer: number;
  readonly keyHeads: number;
  readonly width: number;
  /** New tokens of this run. */
  readonly rows: number;
  /** Tokens of the sequence after it. */
  readonly total: number;
}

/** What a slot without a sequence works on: it has no past, and nobody reads it. */
type Idle = (shape: CacheShape, tokens: number) => StoredCache;

/**
 * The cache layer of each site, in order; everything that a kernel would write or read outside its memory for is
 * refused here. @throws INPUT_INVALID
 */
export function bindCaches(
  name: string,
  sites: readonly CacheSite[],
  caches: readonly (Cache | null)[],
  { store, idle }: { readonly store: CacheStore; readonly idle: Idle },
): CacheLayer[] {
  const fail = (why: string, slot: number): never => {
    throw new LockstepError("INPUT_INVALID", `${name}: slot ${slot}: ${why}`, { program: name, slot });
  };
  const slots = sites.reduce((most, { slot }) => Math.max(most, slot + 1), 0);
  if (caches.length !== slots)
    throw new LockstepError(
      "INPUT_INVALID",
      `${name} has ${slots} slots, and a run names a cache or null for each, not ${caches.length}`,
      { program: name, slots },
    );
  const used = new Map<Cache, number>();
  caches.forEach((cache, slot) => {
    if (cache === null) return;
    if (used.has(cache)) fail(`its cache is in slot ${used.get(cache)} too`, slot);
    used.set(cache, slot);
  });
  return sites.map(({ slot, layer, keyHeads, width, rows, total }) => {
    if (total < rows) fail(`a total of ${total} tokens is less than the ${rows} of this run`, slot);
    const given = caches[slot] ?? null;
    if (given === null && total !== rows) fail(`${total - rows} tokens came before, but it has no cache`, slot);
    const layers = sites.filter((site) => site.slot === slot).length;
    const cache = given ?? idle({ layers, keyHeads, width }, total);
    if (!(cache instanceof StoredCache) || cache.store !== store) return fail("its cache is another executor's", slot);
    if (cache.shape.layers !== layers || cache.shape.keyHeads !== keyHeads || cache.shape.width !== width)
      fail(`its cache is of another program's shape, ${JSON.stringify(cache.shape)}`, slot);
    if (total > cache.capacity)
      fail(`${total} tokens do not fit its cache, which has room for ${cache.capacity}; reserve more`, slot);
    return cache.layers[layer] ?? fail(`its cache has no layer ${layer}`, slot);
  });
}
