/**
 * What transformed code calls in place of `a[i]` (transform.ts), in chains and at keys of patterns. For an element of a
 * typed array over shared memory the sink is told before the access happens; for anything else these do what the
 * language does, down to the order of conversions and the kind of error: each access is in the end the plain one, of
 * the same object with the same key. Keys and values that are objects are converted before the sink is told, once for
 * each access (as V8 does, which converts the key of `a[k] += 1` twice), so that what their `valueOf` does comes first.
 */
import { types } from "node:util";
import { loopGlobals } from "./loops.ts";
import { refuse, type AccessSink } from "./sink.ts";
import { stringGlobals } from "./strings.ts";

type Key = string | number | symbol;
type Indexable = Record<Key, unknown>;
type Elements = NodeJS.TypedArray;

const { isView } = ArrayBuffer;
const { isSharedArrayBuffer } = types;
export const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;
/** "Int32Array"; undefined: no typed array. */
export const tagOf = getter<string | undefined>(Symbol.toStringTag);
export const bufferOf = getter<ArrayBufferLike>("buffer");
export const byteOffsetOf = getter<number>("byteOffset");
/** Elements of a typed array as it is now: 0 where its buffer has become too small. */
export const lengthOf = getter<number>("length");

const BYTES: Readonly<Record<string, number>> = {
  Int8Array: 1,
  Uint8Array: 1,
  Uint8ClampedArray: 1,
  Int16Array: 2,
  Uint16Array: 2,
  Float16Array: 2,
  Int32Array: 4,
  Uint32Array: 4,
  Float32Array: 4,
  Float64Array: 8,
  BigInt64Array: 8,
  BigUint64Array: 8,
};

/** Bytes of an element. */
export const elementBytes = (view: Elements): number => BYTES[tagOf(view) as string] as number;

/** The typed arrays' own getters: an instance or a subclass may have others under these names. */
function getter<T>(name: string | symbol): (view: object) => T {
  const get = Object.getOwnPropertyDescriptor(typedArrayPrototype, name)?.get as (this: object) => T;
  return (view) => Reflect.apply<object, [], T>(get, view, []);
}

/** Whether it is a typed array (not a DataView) over shared memory. */
export function isSharedElements(value: unknown): value is Elements & { readonly buffer: SharedArrayBuffer } {
  return isView(value) && tagOf(value) !== undefined && isSharedArrayBuffer(bufferOf(value));
}

/** Whether it is a typed array or a DataView over shared memory. */
export function isSharedView(value: unknown): value is NodeJS.ArrayBufferView & { readonly buffer: SharedArrayBuffer } {
  return (
    isView(value) && isSharedArrayBuffer(tagOf(value) === undefined ? (value as DataView).buffer : bufferOf(value))
  );
}

/** Reports `count` bytes from `start` of a view, as far as they exist. */
export function reportBytes(
  sink: AccessSink,
  view: NodeJS.ArrayBufferView,
  start: number,
  count: number,
  write: boolean,
): void {
  const inside = Math.min(count, view.byteLength - start);
  if (inside > 0) sink.plain(view.buffer as SharedArrayBuffer, view.byteOffset + start, inside, write);
}

/** Reports `count` elements from `start`, as far as they exist. */
export function reportElements(sink: AccessSink, view: Elements, start: number, count: number, write: boolean): void {
  const bytes = elementBytes(view);
  const inside = Math.min(count, lengthOf(view) - start);
  if (inside > 0)
    sink.plain(bufferOf(view) as SharedArrayBuffer, byteOffsetOf(view) + start * bytes, inside * bytes, write);
}

/** Reports an element by its key, if that is one of an element. */
export function reportKey(sink: AccessSink, view: Elements, key: unknown, write: boolean): void {
  const index = indexOf(key);
  if (index >= 0) reportElements(sink, view, index, 1, write);
}

/** Reports every element. */
export function reportAll(sink: AccessSink, value: unknown, write = false): void {
  if (isSharedElements(value)) reportElements(sink, value, 0, lengthOf(value), write);
}

/** The integer index that a key names, or -1. */
function indexOf(key: unknown): number {
  if (typeof key === "number") return Number.isInteger(key) && key >= 0 ? key : -1;
  if (typeof key !== "string" && typeof key !== "bigint") return -1;
  const index = Number(key);
  return Number.isInteger(index) && index >= 0 && String(index) === String(key) ? index : -1;
}

export function toKey(key: unknown): Key {
  if (typeof key === "object" || typeof key === "function") {
    return Reflect.ownKeys({ [key as unknown as string]: 0 })[0] as Key; // a computed name is converted as a key is
  }
  return key as Key;
}

/** What storing into a typed array converts a value to first; throws what it would throw. */
export function toElement(view: Elements, value: unknown): unknown {
  const tag = tagOf(view);
  if (tag !== "BigInt64Array" && tag !== "BigUint64Array")
    return typeof value === "number" ? value : +(value as string);
  if (typeof value === "bigint") return value;
  const scratch = new BigInt64Array(1);
  (scratch as unknown as Indexable)[0] = value;
  return scratch[0];
}

export interface Reference {
  v: unknown;
}

export interface Accessors {
  readonly read: (target: unknown, key: unknown) => unknown;
  readonly at: (target: unknown, key: unknown) => Reference;
  /** For code that is not strict, where a write that is refused is no error. */
  readonly atSloppy: (target: unknown, key: unknown) => Reference;
}

export function createAccessors(sink: AccessSink): Accessors {
  const read = (target: unknown, key: unknown): unknown => {
    if (!isSharedElements(target)) return (target as Indexable)[key as Key];
    const name = toKey(key);
    reportKey(sink, target, name, false);
    return (target as unknown as Indexable)[name];
  };
  /** Writes to shared elements, after reporting; false: it is something else. */
  const wrote = (target: unknown, key: unknown, value: unknown): boolean => {
    if (!isSharedElements(target)) return false;
    const name = toKey(key);
    const index = indexOf(name);
    if (index < 0) {
      (target as unknown as Indexable)[name] = value;
      return true;
    }
    const element = toElement(target, value);
    reportElements(sink, target, index, 1, true);
    (target as unknown as Indexable)[name] = element;
    return true;
  };

  class Strict implements Reference {
    readonly target: unknown;
    readonly key: unknown;
    constructor(target: unknown, key: unknown) {
      this.target = target;
      this.key = key;
    }
    get v(): unknown {
      return read(this.target, this.key);
    }
    set v(value: unknown) {
      if (!wrote(this.target, this.key, value)) (this.target as Indexable)[this.key as Key] = value;
    }
  }

  class Sloppy extends Strict {
    override get v(): unknown {
      return read(this.target, this.key);
    }
    override set v(value: unknown) {
      const { target, key } = this;
      if (wrote(target, key, value)) return;
      if (target === null || target === undefined)
        (target as unknown as Indexable)[key as Key] = value; // throws, as it should
      else Reflect.set(Object(target) as object, key as Key, value, target);
    }
  }

  return {
    read,
    at: (target, key) => new Strict(target, key),
    atSloppy: (target, key) => new Sloppy(target, key),
  };
}

/** Names of getters of typed arrays: for the element that a pattern is about to read, and for all of them. */
const KEY = Symbol("lockstep: the key of a pattern");
const REST = Symbol("lockstep: what is left of a pattern");

/** What patterns call, each key twice. Between the two, the getter of a Proxy may run patterns of its own: a stack. */
function patternGlobals(sink: AccessSink): Readonly<Record<string, unknown>> {
  const keys: Key[] = [];
  const getter = (report: (view: Elements) => void) => ({
    configurable: true,
    get(this: unknown): undefined {
      if (isSharedElements(this)) report(this);
    },
  });
  Object.defineProperties(typedArrayPrototype, {
    [KEY]: getter((view) => reportKey(sink, view, keys.at(-1), false)),
    [REST]: getter((view) => reportAll(sink, view)),
  });
  return {
    __lockstep_key: (key: unknown) => {
      keys.push(toKey(key));
      return KEY;
    },
    __lockstep_same: () => keys.pop(),
    __lockstep_rest: REST,
  };
}

/** What chains call. */
function chainGlobals(): Readonly<Record<string, unknown>> {
  let kept: unknown;
  return {
    __lockstep_absent: (value: unknown) => {
      kept = value;
      return value === null || value === undefined;
    },
    __lockstep_it: () => {
      const value = kept;
      kept = undefined;
      return value;
    },
    __lockstep_bound: (target: unknown, methodOf: (target: unknown) => unknown) => {
      const method = methodOf(target);
      if (typeof method !== "function") return method;
      return (...args: readonly unknown[]): unknown => Reflect.apply(method as () => unknown, target, args);
    },
    __lockstep_value: (value: unknown) => value,
  };
}

/** Defines in this thread the globals that transformed code calls. */
export function installAccessors(sink: AccessSink): void {
  const { read, at, atSloppy } = createAccessors(sink);
  const globals = {
    __lockstep_read: read,
    __lockstep_at: at,
    __lockstep_at_sloppy: atSloppy,
    __lockstep_all: (value: unknown) => {
      reportAll(sink, value);
      return value;
    },
    __lockstep_proto: (value: unknown) => {
      refuseAsPrototype(sink, value);
      return value;
    },
    ...patternGlobals(sink),
    ...chainGlobals(),
    ...loopGlobals,
    ...stringGlobals(sink),
  };
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, configurable: true });
}

/** Elements would be found by way of an object that is none. */
export function refuseAsPrototype(sink: AccessSink, value: unknown): void {
  if (isSharedElements(value))
    refuse(
      sink,
      "an object whose prototype is a typed array over shared memory cannot be watched: keep the typed array in a " +
        "property",
    );
}
