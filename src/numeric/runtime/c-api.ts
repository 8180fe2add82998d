/**
 * ONNX Runtime's C interface, called through an FFI library (koffi): results are written where they are wanted, weights
 * lie once in the process, and a run can be ended from another thread. It is the very library that the package
 * onnxruntime-node brings, without its binding. **Every pointer is in this file**, and koffi is imported nowhere else:
 * a mistake here is a crash, not an exception. So the file is long: what could crash the process is read together.
 * Positions and signatures are in c-table.ts.
 *
 * Rules that hold the memory together:
 * - a tensor is an address, so whoever made it holds the view until it is released. Buffers never move; small arrays
 *   without a buffer of their own would;
 * - whatever the library hands out is written into a ledger (a word each) by the library itself. A thread that has died
 *   leaves its ledger behind, and its supervisor releases what is in it (`Scope.release`);
 * - a library that FFI has opened stays open for the life of the process: its object, once collected, would close it
 *   under the functions that were read from its table.
 */
import { BLOCKED_ATTENTION, TELEMETRY } from "../../base/index.ts";
import type { PackedHandle, Scope, ScopeHandle } from "./handles.ts";
import { API_VERSION, TABLE, type CFunction } from "./c-table.ts";
import {
  InterruptedRun,
  type OrtInferenceSession,
  type OrtSessionOptions,
  type OrtTensor,
  type SharedWeights,
} from "./ort.ts";

/** What is used of koffi, so that it is not needed to compile against Lockstep. */
interface Ffi {
  load(path: string | null): { func(name: string, result: string, parameters: readonly string[]): ForeignFunction };
  address(view: ArrayBufferView): bigint;
  readonly decode: ((at: bigint, type: unknown) => unknown) & { string(at: bigint): string };
  proto(result: string, parameters: readonly string[]): unknown;
  config(options: { readonly sync_stack_size: number }): unknown;
}
type ForeignFunction = (...parameters: readonly unknown[]) => unknown;
type Functions = Readonly<Record<CFunction, ForeignFunction>>;

const C_TYPES: Readonly<Record<string, string>> = {
  p: "uintptr_t",
  z: "size_t",
  i: "int32_t",
  s: "str",
  f: process.platform === "win32" ? "str16" : "str", // ORTCHAR_T, of file names
};
const ELEMENT_TYPES: Readonly<Record<string, number>> = { float32: 1, int32: 6, int64: 7 };
const LEVELS = { disabled: 0, basic: 1, extended: 2, all: 99 } as const;
const FATAL = 4;
/** What the library says of a run that was ended: "Exiting due to terminate flag being set to true." */
const TERMINATED = "terminate flag";
const MAX_RANK = 16;
/** koffi runs native code on a stack of its own, of 2 MiB unless told otherwise: little for a graph of many layers. */
const STACK_BYTES = 8 * 1024 * 1024;
/** Words of a ledger: sessions first, then tensors. 64 KiB. */
const LEDGER = { sessions: 256, words: 8192 } as const;

const encoder = new TextEncoder();

/** A word that the library writes a pointer into; 0: nothing. */
interface Slot {
  readonly words: BigUint64Array;
  readonly index: number;
  readonly at: bigint;
}

function take(slot: Slot): bigint {
  const pointer = slot.words[slot.index] as bigint;
  slot.words[slot.index] = 0n;
  return pointer;
}

class Ledger {
  readonly #ffi: Ffi;
  readonly #free: Slot[] = [];

  constructor(ffi: Ffi, buffer: SharedArrayBuffer, from: number, end: number) {
    this.#ffi = ffi;
    this.#add(buffer, from, end);
  }

  take(): Slot {
    const slot = this.#free.pop();
    if (slot !== undefined) return slot;
    // More than a supervisor would ever release: these go with the process.
    this.#add(new SharedArrayBuffer(8 * 1024), 0, 1024);
    return this.take();
  }

  give(slot: Slot): void {
    this.#free.push(slot);
  }

  #add(buffer: SharedArrayBuffer, from: number, end: number): void {
    const words = new BigUint64Array(buffer);
    const at = this.#ffi.address(words);
    for (let index = end - 1; index >= from; index--) this.#free.push({ words, index, at: at + 8n * BigInt(index) });
  }
}

interface AttachedScope {
  readonly runOptions: bigint;
  readonly sessions: Ledger;
  readonly tensors: Ledger;
}

let opened: { readonly path: string; readonly api: Promise<CApi> } | undefined;
/** Never emptied, see above. */
const kept: unknown[] = [];

/**
 * Opens the library, once for each thread. Rejects where koffi or the library does not load, or where the library has
 * another table.
 */
export function openCApi(path: string): Promise<CApi> {
  if (opened?.path !== path) opened = { path, api: open(path) };
  return opened.api;
}

async function open(path: string): Promise<CApi> {
  const ffi = ((await import("koffi")) as unknown as { default: Ffi }).default;
  try {
    ffi.config({ sync_stack_size: STACK_BYTES });
  } catch {
    // the program itself has called something through koffi already: its stack stays as it is
  }
  const c = ffi.load(process.platform === "win32" ? "ucrtbase.dll" : null);
  kept.push(c);
  silence(c);
  const library = ffi.load(path);
  kept.push(library);
  return new CApi(ffi, library, trimmer(c));
}

type ForeignLibrary = ReturnType<Ffi["load"]>;

/**
 * `process.env` of a worker is a copy that the library never sees: the C library's own environment is set. Only where
 * it has to be, for another thread may be reading it.
 */
function silence(c: ForeignLibrary): void {
  for (const { variable, off } of [TELEMETRY, BLOCKED_ATTENTION]) {
    if (c.func("getenv", "str", ["str"])(variable) === off) continue;
    if (process.platform === "win32") c.func("_putenv_s", "int", ["str", "str"])(variable, off);
    else c.func("setenv", "int", ["str", "str", "int"])(variable, off, 1);
  }
}

/** glibc keeps what was freed; elsewhere there is no such function, and no need. */
function trimmer(c: ForeignLibrary): () => void {
  if (process.platform !== "linux") return () => {};
  try {
    const trim = c.func("malloc_trim", "int", ["size_t"]);
    return () => void trim(0);
  } catch {
    return () => {};
  }
}

export class CApi {
  /** As the library says it: "1.30.0". */
  readonly version: string;
  /** The library's own words about its build: branch, commit, type. */
  readonly buildInfo: string;
  /** Gives memory that was freed back to the system, where the C library would keep it (glibc). */
  readonly trim: () => void;
  readonly #ffi: Ffi;
  readonly #call: Functions;
  readonly #environment: bigint;
  readonly #memory: bigint;
  readonly #out = new BigUint64Array(new ArrayBuffer(8));
  readonly #outAt: bigint;
  readonly #shape = new BigInt64Array(new ArrayBuffer(8 * MAX_RANK));
  readonly #shapeAt: bigint;
  readonly #scopes = new WeakMap<SharedArrayBuffer, AttachedScope>();
  /** Of this thread, where nobody made one for it. */
  #own: ScopeHandle | null = null;
  /** A session that was dropped without being released. */
  readonly #dropped = new FinalizationRegistry<Holdings>((holdings) => holdings.release());

  constructor(ffi: Ffi, library: ForeignLibrary, trim: () => void) {
    this.#ffi = ffi;
    this.trim = trim;
    this.#outAt = ffi.address(this.#out);
    this.#shapeAt = ffi.address(this.#shape);
    const word = (at: bigint): bigint => BigInt(ffi.decode(at, "uint64_t") as number | bigint);
    const read = (at: unknown): string => ffi.decode.string(BigInt(at as number | bigint));
    const foreign = (at: bigint, result: string, takes: string): ForeignFunction =>
      ffi.decode(
        at,
        ffi.proto(
          result,
          takes.split("").map((kind) => C_TYPES[kind] as string),
        ),
      ) as ForeignFunction;

    const base = BigInt(library.func("OrtGetApiBase", "uintptr_t", [])() as number | bigint);
    this.version = read(foreign(word(base + 8n), "uintptr_t", "")());
    const table = BigInt(foreign(word(base), "uintptr_t", "i")(API_VERSION) as number | bigint);
    if (table === 0n) throw new Error(`ONNX Runtime ${this.version} has no version ${API_VERSION} of its interface`);

    const at = (name: CFunction): bigint => word(table + 8n * BigInt(TABLE[name].position));
    const message = foreign(at("GetErrorMessage"), "uintptr_t", "p");
    const releaseStatus = foreign(at("ReleaseStatus"), "void", "p");
    const bind = (name: CFunction): ForeignFunction => {
      const { gives, takes } = TABLE[name];
      const call = foreign(at(name), gives === "void" ? "void" : "uintptr_t", takes);
      if (gives !== "status") return call;
      return (...parameters) => {
        const status = call(...parameters) as number | bigint;
        if (BigInt(status) === 0n) return;
        const text = read(message(status));
        releaseStatus(status);
        throw new Error(text);
      };
    };
    this.#call = Object.fromEntries(
      (Object.keys(TABLE) as CFunction[]).map((name) => [name, bind(name)]),
    ) as unknown as Functions;
    this.buildInfo = read(this.#call.GetBuildInfoString());
    // One environment for the process, counted: whoever makes it first decides, the binding or a thread of ours.
    this.#environment = this.#make("CreateEnv", FATAL, "lockstep");
    this.#memory = this.#make("CreateCpuMemoryInfo", 0, 0); // device allocator, default memory
  }

  /** What a worker's thread will have: made by its supervisor, which releases it when the thread has ended. */
  createScope(): Scope {
    const handle = this.#newScope();
    let released = false;
    return {
      handle,
      interrupt: () => {
        if (!released) this.#call.RunOptionsSetTerminate(handle.runOptions);
      },
      release: () => {
        if (released) return;
        released = true;
        const words = new BigUint64Array(handle.ledger);
        for (const [index, pointer] of words.slice().entries()) {
          if (pointer === 0n) continue;
          words[index] = 0n;
          if (index < LEDGER.sessions) this.#call.ReleaseSession(pointer);
          else this.#call.ReleaseValue(pointer);
        }
        this.#call.ReleaseRunOptions(handle.runOptions);
        this.trim();
      },
    };
  }

  createPacked(): { readonly handle: PackedHandle; release(): void } {
    let container = this.#make("CreatePrepackedWeightsContainer");
    return {
      handle: { container },
      release: () => {
        if (container !== 0n) this.#call.ReleasePrepackedWeightsContainer(container);
        container = 0n;
        this.trim();
      },
    };
  }

  createSession(
    model: Uint8Array,
    options: OrtSessionOptions,
    { scope, shared }: { readonly scope?: ScopeHandle | undefined; readonly shared?: SharedWeights | undefined } = {},
  ): OrtInferenceSession {
    const attached = this.#attach(scope ?? (this.#own ??= this.#newScope()));
    const holdings = new Holdings(this.#call, attached);
    const settings = this.#make("CreateSessionOptions");
    try {
      this.#configure(settings, options);
      const bytes = offHeap(model);
      // The library copies all of this while the session is made, and till then it must not be collected.
      const held: unknown[] = [
        bytes,
        this.#externalFiles(settings, options.externalData ?? []),
        shared === undefined ? [] : this.#share(settings, shared, holdings),
      ];
      const parameters = [this.#environment, this.#ffi.address(bytes), bytes.length, settings];
      const { at } = holdings.session;
      if (shared === undefined) this.#call.CreateSessionFromArray(...parameters, at);
      else this.#call.CreateSessionFromArrayWithPrepackedWeightsContainer(...parameters, shared.packed.container, at);
      held.length = 0;
    } catch (thrown) {
      holdings.release();
      throw thrown;
    } finally {
      this.#call.ReleaseSessionOptions(settings);
      if (options.externalData !== undefined || shared !== undefined) this.trim();
    }
    const session = new CSession(holdings, {
      run: (...parameters) => this.#run(attached.runOptions, parameters),
      address: (view) => this.#ffi.address(view),
      tensor: (tensor, slot) => this.#tensor(tensor, slot),
      onRelease: () => this.#dropped.unregister(holdings),
    });
    this.#dropped.register(session, holdings, holdings);
    return session;
  }

  #run(runOptions: bigint, [session, ...rest]: readonly unknown[]): void {
    try {
      this.#call.Run(session, runOptions, ...rest);
    } catch (thrown) {
      if (!(thrown instanceof Error && thrown.message.includes(TERMINATED))) throw thrown;
      // First this, then whoever was asked to stop looks whether it was: a flag that is lost here was raised before.
      this.#call.RunOptionsUnsetTerminate(runOptions);
      throw new InterruptedRun("the run was ended before it was done", { cause: thrown });
    }
  }

  /** The pointer that a function writes through its last parameter. */
  #make(name: CFunction, ...parameters: readonly unknown[]): bigint {
    this.#call[name](...parameters, this.#outAt);
    return this.#out[0] as bigint;
  }

  #newScope(): ScopeHandle {
    const runOptions = this.#make("CreateRunOptions");
    this.#call.RunOptionsSetRunLogSeverityLevel(runOptions, FATAL);
    return { runOptions, ledger: new SharedArrayBuffer(8 * LEDGER.words) };
  }

  #attach({ runOptions, ledger }: ScopeHandle): AttachedScope {
    let attached = this.#scopes.get(ledger);
    if (attached === undefined) {
      attached = {
        runOptions,
        sessions: new Ledger(this.#ffi, ledger, 0, LEDGER.sessions),
        tensors: new Ledger(this.#ffi, ledger, LEDGER.sessions, LEDGER.words),
      };
      this.#scopes.set(ledger, attached);
    }
    return attached;
  }

  #configure(settings: bigint, options: OrtSessionOptions): void {
    const { intraOpNumThreads = 1, graphOptimizationLevel = "all", profileFilePrefix } = options;
    this.#call.SetIntraOpNumThreads(settings, intraOpNumThreads);
    this.#call.SetInterOpNumThreads(settings, 1);
    this.#call.SetSessionGraphOptimizationLevel(settings, LEVELS[graphOptimizationLevel]);
    this.#call.SetSessionLogSeverityLevel(settings, FATAL);
    if (profileFilePrefix !== undefined) this.#call.EnableProfiling(settings, profileFilePrefix);
  }

  /** Returns what must live until the session is made: by then the library has its own copies. */
  #externalFiles(settings: bigint, files: NonNullable<OrtSessionOptions["externalData"]>): unknown[] {
    if (files.length === 0) return [];
    const paths = files.map(({ path }) => fileName(path));
    const tables = [
      paths.map((path) => this.#ffi.address(path)),
      files.map(({ data }) => this.#ffi.address(data)),
      files.map(({ data }) => BigInt(data.byteLength)),
    ].map((words) => pointers(words));
    const [names, contents, sizes] = tables.map((table) => this.#ffi.address(table));
    this.#call.AddExternalInitializersFromFilesInMemory(settings, names, contents, sizes, files.length);
    return [paths, files, tables];
  }

  /** The values of initializers are here, in this very memory, and their packed forms belong to the container. */
  #share(settings: bigint, { tensors }: SharedWeights, holdings: Holdings): unknown[] {
    const names = Object.keys(tensors).map(terminated);
    const values = Object.entries(tensors).map(([name, tensor]) => {
      const value = this.#tensor(tensor, holdings.hold(tensor));
      this.#call.AddInitializer(settings, name, value);
      return value;
    });
    const nameTable = pointers(names.map((name) => this.#ffi.address(name)));
    const valueTable = pointers(values);
    this.#call.AddExternalInitializers(
      settings,
      this.#ffi.address(nameTable),
      this.#ffi.address(valueTable),
      values.length,
    );
    return [names, nameTable, valueTable];
  }

  /** A tensor over the view's memory; its pointer is in the slot. The slot's owner holds the view. */
  #tensor({ data, dims, type }: OrtTensor, slot: Slot): bigint {
    if (dims.length > MAX_RANK) throw new Error(`a tensor has at most ${MAX_RANK} axes, not ${dims.length}`);
    const elementType = ELEMENT_TYPES[type];
    if (elementType === undefined) throw new Error(`a tensor of ${type} is not handed over`);
    dims.forEach((size, axis) => (this.#shape[axis] = BigInt(size)));
    this.#call.CreateTensorWithDataAsOrtValue(
      this.#memory,
      this.#ffi.address(data),
      data.byteLength,
      this.#shapeAt,
      dims.length,
      elementType,
      slot.at,
    );
    return slot.words[slot.index] as bigint;
  }
}

/** What a session has in native code. It knows nothing of the session, so that a dropped one can be found. */
class Holdings {
  readonly session: Slot;
  readonly #call: Functions;
  readonly #scope: AttachedScope;
  /** Each with what its address belongs to. */
  readonly #tensors = new Map<Slot, OrtTensor>();
  #released = false;

  constructor(call: Functions, scope: AttachedScope) {
    this.#call = call;
    this.#scope = scope;
    this.session = scope.sessions.take();
  }

  get pointer(): bigint {
    return this.session.words[this.session.index] as bigint;
  }

  /** A word for the tensor, whose memory lives as long as it. */
  hold(tensor: OrtTensor): Slot {
    const slot = this.#scope.tensors.take();
    this.#tensors.set(slot, tensor);
    return slot;
  }

  drop(slot: Slot): void {
    const pointer = take(slot);
    if (pointer !== 0n) this.#call.ReleaseValue(pointer);
    this.#tensors.delete(slot);
    this.#scope.tensors.give(slot);
  }

  /** The session before the tensors that it may look at. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    const pointer = take(this.session);
    if (pointer !== 0n) this.#call.ReleaseSession(pointer);
    this.#scope.sessions.give(this.session);
    for (const slot of this.#tensors.keys()) this.drop(slot);
  }
}

interface Calls {
  readonly run: (...parameters: readonly unknown[]) => void;
  readonly address: (view: ArrayBufferView) => bigint;
  readonly tensor: (tensor: OrtTensor, slot: Slot) => bigint;
  readonly onRelease: () => void;
}

/** A name, and the tensor that it was last run with. */
interface Bound {
  readonly name: Uint8Array;
  readonly nameAt: bigint;
  /** Null: none, or one that could not be handed over. */
  last: { readonly tensor: OrtTensor; readonly slot: Slot } | null;
}

class CSession implements OrtInferenceSession {
  readonly #holdings: Holdings;
  readonly #calls: Calls;
  readonly #bound = new Map<string, Bound>();
  #tables: RunTables;

  constructor(holdings: Holdings, calls: Calls) {
    this.#holdings = holdings;
    this.#calls = calls;
    this.#tables = new RunTables(64, calls.address);
  }

  /** Runs before it returns; the event loop gets its turn from whoever calls. */
  async run(
    feeds: Readonly<Record<string, OrtTensor>>,
    fetches: Readonly<Record<string, OrtTensor>> | readonly string[],
  ): Promise<Readonly<Record<string, OrtTensor>>> {
    const session = this.#holdings.pointer;
    if (session === 0n) throw new Error("the session was released");
    const inputs = Object.entries(feeds);
    const outputs = Object.entries(fetches as Readonly<Record<string, OrtTensor>>);
    const most = Math.max(inputs.length, outputs.length);
    if (most > this.#tables.capacity) this.#tables = new RunTables(2 * most, this.#calls.address);
    const { at, inputNames, inputValues, outputNames, outputValues } = this.#tables;
    inputs.forEach(([name, tensor], i) => this.#bind(name, tensor, inputNames, inputValues, i));
    outputs.forEach(([name, tensor], i) => this.#bind(name, tensor, outputNames, outputValues, i));
    this.#calls.run(session, at[0], at[1], inputs.length, at[2], outputs.length, at[3]);
    return {};
  }

  release(): Promise<void> {
    this.#calls.onRelease();
    this.#holdings.release();
    this.#bound.clear();
    return Promise.resolve();
  }

  /** Where the address and the shape have not changed, neither has the tensor. */
  #bind(name: string, tensor: OrtTensor, names: BigUint64Array, values: BigUint64Array, index: number): void {
    let bound = this.#bound.get(name);
    if (bound === undefined) {
      const bytes = terminated(name);
      bound = { name: bytes, nameAt: this.#calls.address(bytes), last: null };
      this.#bound.set(name, bound);
    }
    if (bound.last === null || !sameTensor(bound.last.tensor, tensor)) {
      if (bound.last !== null) this.#holdings.drop(bound.last.slot);
      bound.last = null;
      const slot = this.#holdings.hold(tensor);
      try {
        this.#calls.tensor(tensor, slot);
      } catch (thrown) {
        // A null pointer in the table of outputs would be no error: the library would make a tensor of its own.
        this.#holdings.drop(slot);
        throw thrown;
      }
      bound.last = { tensor, slot };
    }
    const { words, index: word } = bound.last.slot;
    names[index] = bound.nameAt;
    values[index] = words[word] as bigint;
  }
}

/** The four tables of pointers that a run takes. */
class RunTables {
  readonly capacity: number;
  readonly inputNames: BigUint64Array;
  readonly inputValues: BigUint64Array;
  readonly outputNames: BigUint64Array;
  readonly outputValues: BigUint64Array;
  /** Their addresses, in this order. */
  readonly at: readonly bigint[];

  constructor(capacity: number, address: (view: ArrayBufferView) => bigint) {
    const table = (): BigUint64Array => new BigUint64Array(new ArrayBuffer(8 * capacity));
    this.capacity = capacity;
    this.inputNames = table();
    this.inputValues = table();
    this.outputNames = table();
    this.outputValues = table();
    this.at = [this.inputNames, this.inputValues, this.outputNames, this.outputValues].map(address);
  }
}

function sameTensor(one: OrtTensor, other: OrtTensor): boolean {
  const { data: a, dims: sizes } = one;
  const { data: b, dims } = other;
  return (
    one === other ||
    (one.type === other.type &&
      a.buffer === b.buffer &&
      a.byteOffset === b.byteOffset &&
      a.byteLength === b.byteLength &&
      sizes.length === dims.length &&
      sizes.every((size, axis) => size === dims[axis]))
  );
}

function offHeap(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new ArrayBuffer(Math.max(8, bytes.length)), 0, bytes.length);
  copy.set(bytes);
  return copy;
}

function terminated(text: string): Uint8Array {
  return offHeap(encoder.encode(`${text}\0`));
}

/** As ORTCHAR_T: UTF-16 on Windows. */
function fileName(path: string): Uint8Array {
  return process.platform === "win32" ? offHeap(Buffer.from(`${path}\0`, "utf16le")) : terminated(path);
}

function pointers(words: readonly bigint[]): BigUint64Array {
  const table = new BigUint64Array(new ArrayBuffer(8 * Math.max(1, words.length)));
  table.set(words);
  return table;
}
