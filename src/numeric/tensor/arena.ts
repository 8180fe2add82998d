/**
 * An arena: tensors in shared WebAssembly memory, where kernels and the runtimes work on them in place and every worker
 * sees them. Memories have their full size from the start, since growing one would leave views elsewhere with the old
 * length; pages that nobody touches cost address space only. Nothing is freed singly: an arena lives as long as what it
 * was made for.
 */
import { invariant, LockstepError } from "../../base/index.ts";
import { MAX_MEMORY_BYTES, newSharedMemory, WASM_PAGE, type SharedMemory } from "./memory.ts";
import { BYTES, elements, type DType, type HostTensor } from "./tensor.ts";

export interface TensorSpec<D extends DType = DType> {
  readonly name: string;
  readonly dtype: D;
  readonly shape: readonly number[];
}

/** Where a tensor lies: the memory's index in the arena, and bytes from its start. */
export interface Place extends TensorSpec {
  readonly memory: number;
  readonly offset: number;
}

/** What `postMessage` carries to a worker, which attaches to it. */
export interface ArenaHandle {
  readonly memories: readonly SharedMemory[];
  readonly layout: readonly Place[];
}

export interface ArenaOptions {
  /**
   * Size of a memory in bytes, rounded up to 64 KiB; a larger group gets a memory of its own. @default 67108864 (64
   * MiB)
   */
  readonly capacityBytes?: number;
  /** Limit of one memory in bytes. @default 4294967296 (4 GiB, the most that 32-bit WebAssembly can address) */
  readonly maxMemoryBytes?: number;
}

/** A cache line, and what the runtimes like best. */
const ALIGNMENT = 64;
/** The first bytes of a memory stay unused, so that offset 0 is never a tensor. */
const RESERVED = 1024;
/** So do the last ones, so that the end of a region is an address too: in a memory of 4 GiB it would wrap to 0. */
const TAIL = 64;

export class Arena {
  readonly #capacity: number;
  readonly #limit: number;
  readonly #memories: SharedMemory[] = [];
  readonly #used: number[] = [];
  readonly #places = new Map<string, Place>();
  readonly #tensors = new Map<string, HostTensor>();

  constructor(options: ArenaOptions = {}) {
    const { capacityBytes = 64 * 1024 * 1024, maxMemoryBytes = MAX_MEMORY_BYTES } = options;
    if (!(maxMemoryBytes >= WASM_PAGE && maxMemoryBytes <= MAX_MEMORY_BYTES)) {
      throw new LockstepError(
        "OPTION_INVALID",
        `maxMemoryBytes must be between ${WASM_PAGE} and ${MAX_MEMORY_BYTES}, not ${maxMemoryBytes}`,
        { maxMemoryBytes },
      );
    }
    this.#limit = Math.floor(maxMemoryBytes / WASM_PAGE) * WASM_PAGE;
    this.#capacity = Math.min(pages(capacityBytes), this.#limit);
  }

  /** An arena just large enough for the groups, with each group in one memory, in order. */
  static for(groups: readonly (readonly TensorSpec[])[], options: Pick<ArenaOptions, "maxMemoryBytes"> = {}): Arena {
    const total = groups.reduce((sum, group) => sum + bytesOf(group), RESERVED + TAIL);
    const arena = new Arena({ ...options, capacityBytes: total });
    for (const group of groups) arena.allocateGroup(group);
    return arena;
  }

  /** The same tensors over the same memory, in another thread. */
  static attach(handle: ArenaHandle): Arena {
    const arena = new Arena();
    for (const memory of handle.memories) {
      arena.#memories.push(memory);
      // Only the arena that made the memory knows what is free in it.
      arena.#used.push(memory.buffer.byteLength);
    }
    for (const place of handle.layout) arena.#enter(place);
    return arena;
  }

  handle(): ArenaHandle {
    return { memories: [...this.#memories], layout: [...this.#places.values()] };
  }

  get memories(): readonly SharedMemory[] {
    return this.#memories;
  }

  /** By name, in the order of allocation. */
  get tensors(): ReadonlyMap<string, HostTensor> {
    return this.#tensors;
  }

  allocate<D extends DType>(name: string, dtype: D, shape: readonly number[]): HostTensor<D> {
    this.allocateGroup([{ name, dtype, shape }]);
    return this.#tensors.get(name) as HostTensor<D>;
  }

  /** Tensors of zeros, all in one memory, in the order of the specs; each starts at a multiple of 64 bytes. */
  allocateGroup<const S extends readonly TensorSpec[]>(
    specs: S,
  ): { -readonly [I in keyof S]: HostTensor<S[I]["dtype"]> } {
    const names = new Set<string>();
    for (const { name, dtype, shape } of specs) {
      invariant(!this.#places.has(name) && !names.has(name), `the name "${name}" is used once in an arena`);
      invariant(
        Number.isSafeInteger(elements(shape) * BYTES[dtype]) &&
          shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0),
        `"${name}" has a shape of integers, not [${shape.join(", ")}]`,
      );
      names.add(name);
    }
    const memory = this.#roomFor(bytesOf(specs), specs);
    const group = specs.map((spec) => {
      const offset = this.#used[memory] as number;
      this.#used[memory] = offset + aligned(spec);
      return this.#enter({ name: spec.name, dtype: spec.dtype, shape: [...spec.shape], memory, offset });
    });
    return group as { -readonly [I in keyof S]: HostTensor<S[I]["dtype"]> };
  }

  get(name: string): HostTensor {
    const found = this.#tensors.get(name);
    invariant(found !== undefined, `the arena has a tensor "${name}"`);
    return found;
  }

  /** Memory and byte offset of a tensor, for binding kernels. */
  place(name: string): Place {
    const found = this.#places.get(name);
    invariant(found !== undefined, `the arena has a tensor "${name}"`);
    return found;
  }

  /** The first memory with room, or a new one. */
  #roomFor(bytes: number, specs: readonly TensorSpec[]): number {
    const found = this.#memories.findIndex(
      (memory, i) => (this.#used[i] as number) + bytes + TAIL <= memory.buffer.byteLength,
    );
    if (found >= 0) return found;
    const size = Math.max(this.#capacity, pages(RESERVED + bytes + TAIL));
    if (size > this.#limit) {
      throw new LockstepError(
        "INPUT_TOO_LARGE",
        `"${specs[0]?.name ?? ""}" and the ${specs.length - 1} tensors that must lie with it need ${bytes} ` +
          `bytes, but one memory holds ${this.#limit - RESERVED - TAIL}; split the group`,
        { bytes, limit: this.#limit },
      );
    }
    this.#memories.push(newSharedMemory(size));
    this.#used.push(RESERVED);
    return this.#memories.length - 1;
  }

  #enter(place: Place): HostTensor {
    const memory = this.#memories[place.memory];
    invariant(
      memory !== undefined && place.offset + elements(place.shape) * BYTES[place.dtype] <= memory.buffer.byteLength,
      `"${place.name}" lies within its memory`,
    );
    const entered = { dtype: place.dtype, shape: place.shape, data: view(memory.buffer, place) } as HostTensor;
    this.#places.set(place.name, place);
    this.#tensors.set(place.name, entered);
    return entered;
  }
}

function view(buffer: ArrayBufferLike, { dtype, shape, offset }: Place): HostTensor["data"] {
  const n = elements(shape);
  switch (dtype) {
    case "float32":
      return new Float32Array(buffer, offset, n);
    case "float64":
      return new Float64Array(buffer, offset, n);
    case "int32":
      return new Int32Array(buffer, offset, n);
    case "int64":
      return new BigInt64Array(buffer, offset, n);
    case "uint8":
      return new Uint8Array(buffer, offset, n);
  }
}

function aligned(spec: TensorSpec): number {
  return Math.ceil((elements(spec.shape) * BYTES[spec.dtype]) / ALIGNMENT) * ALIGNMENT;
}

function bytesOf(specs: readonly TensorSpec[]): number {
  return specs.reduce((sum, spec) => sum + aligned(spec), 0);
}

function pages(bytes: number): number {
  return Math.ceil(bytes / WASM_PAGE) * WASM_PAGE;
}
