/**
 * `Atomics` as explored code sees it: the same functions, each of which is a point of the schedule when it touches
 * shared memory. Arguments are converted as the language does (ECMA-262, "The Atomics Object"): the index, then the
 * values, then count or limit, each once and before the point, since the `valueOf` of an object may be anything. What
 * the language refuses is left to the platform to refuse.
 */
import { ELEMENTS, KIND } from "./control.ts";
import { byteOffsetOf, bufferOf, elementBytes, lengthOf, tagOf } from "./instrument/accessors.ts";
import { native } from "./native.ts";
import type { ThreadRuntime } from "./runtime.ts";

type Ints = Int32Array<SharedArrayBuffer>;
type Value = number | bigint;
type Name = keyof typeof native;

/** An element that is about to be touched. */
interface Cell {
  readonly array: Ints;
  readonly index: number;
  /** Its place among `ELEMENTS`. */
  readonly element: number;
  readonly big: boolean;
}

export function exploredAtomics(runtime: ThreadRuntime): typeof Atomics {
  /** Null: not shared, or no array that `Atomics` takes; the platform says what that is. */
  const cellOf = (array: unknown, index: unknown, waits: boolean): Cell | null => {
    if (!runtime.active || !ArrayBuffer.isView(array)) return null;
    const tag = tagOf(array);
    const element = ELEMENTS.indexOf(tag as "Int32Array");
    if (element < 0 || !(bufferOf(array) instanceof SharedArrayBuffer)) return null;
    if (waits && tag !== "Int32Array" && tag !== "BigInt64Array") return null;
    const ints = array as Ints;
    const at = toInteger(index);
    if (at < 0 || at >= lengthOf(ints)) native.load(ints, at); // throws, before any value is converted
    return { array: ints, index: at, element, big: tag === "BigInt64Array" || tag === "BigUint64Array" };
  };
  const point = (kind: number, { array, index, element }: Cell, a: Value, limited = false): number => {
    const bytes = elementBytes(array);
    const buffer = runtime.bufferId(bufferOf(array) as SharedArrayBuffer);
    return runtime.point(kind, buffer, byteOffsetOf(array) + index * bytes, bytes, low(a), limited, element, high(a));
  };
  const did = (event: number, before: Value, after: Value, wrote: boolean, reads: boolean): void =>
    runtime.did(event, low(before), low(after), wrote, reads, high(before), high(after));
  const now = ({ array, index }: Cell): Value => native.load(array, index);

  const modify =
    (name: "add" | "sub" | "and" | "or" | "xor" | "exchange") =>
    (array: unknown, index: unknown, given: unknown): Value => {
      const cell = cellOf(array, index, false);
      if (cell === null) return call(name, array, index, given);
      const value = toValue(cell, given);
      const event = point(KIND.RMW, cell, value);
      const before = call(name, array, cell.index, value);
      did(event, before, now(cell), true, true);
      return before;
    };

  const explored = {
    load(array: unknown, index: unknown): Value {
      const cell = cellOf(array, index, false);
      if (cell === null) return call("load", array, index);
      const event = point(KIND.LOAD, cell, 0);
      const value = now(cell);
      did(event, value, value, false, true);
      return value;
    },
    store(array: unknown, index: unknown, given: unknown): Value {
      const cell = cellOf(array, index, false);
      if (cell === null) return call("store", array, index, given);
      const value = toValue(cell, given);
      const event = point(KIND.STORE, cell, value);
      const before = now(cell);
      const stored = call("store", array, cell.index, value);
      did(event, before, now(cell), true, false);
      return stored;
    },
    add: modify("add"),
    sub: modify("sub"),
    and: modify("and"),
    or: modify("or"),
    xor: modify("xor"),
    exchange: modify("exchange"),
    compareExchange(array: unknown, index: unknown, givenExpected: unknown, givenReplacement: unknown): Value {
      const cell = cellOf(array, index, false);
      if (cell === null) return call("compareExchange", array, index, givenExpected, givenReplacement);
      const expected = toElement(cell, toValue(cell, givenExpected));
      const replacement = toValue(cell, givenReplacement);
      const event = point(KIND.CAS, cell, expected);
      const before = call("compareExchange", array, cell.index, expected, replacement);
      did(event, before, now(cell), before === expected, true);
      return before;
    },
    wait(array: unknown, index: unknown, givenExpected: unknown, limit: unknown): "ok" | "not-equal" | "timed-out" {
      const cell = cellOf(array, index, true);
      if (cell === null) return call("wait", array, index, givenExpected, limit) as unknown as "ok";
      const expected = toElement(cell, toWord(cell, givenExpected));
      const limitMs = toLimit(limit);
      const limited = limitMs > 0 && limitMs !== Infinity && now(cell) === expected;
      const event = point(KIND.WAIT, cell, expected, limited);
      const value = now(cell);
      if (value === expected && limitMs > 0) return runtime.sleep(event, low(value), high(value), limitMs);
      did(event, value, value, false, true);
      return value === expected ? "timed-out" : "not-equal";
    },
    waitAsync(
      array: unknown,
      index: unknown,
      givenExpected: unknown,
      limit: unknown,
    ): { async: false; value: "not-equal" | "timed-out" } | { async: true; value: Promise<"ok" | "timed-out"> } {
      const cell = cellOf(array, index, true);
      if (cell === null) return native.waitAsync(...([array, index, givenExpected, limit] as Parameters<WaitAsync>));
      const expected = toElement(cell, toWord(cell, givenExpected));
      const limitMs = toLimit(limit);
      const event = point(KIND.ASYNC_WAIT, cell, expected);
      const value = now(cell);
      if (value === expected && limitMs > 0)
        return { async: true, value: runtime.sleepAsync(event, low(value), high(value), limitMs) };
      did(event, value, value, false, true);
      return { async: false, value: value === expected ? "timed-out" : "not-equal" };
    },
    notify(array: unknown, index: unknown, given: unknown): number {
      const cell = cellOf(array, index, true);
      if (cell === null) return call("notify", array, index, given) as number;
      const count = given === undefined ? Infinity : Math.max(0, toInteger(given));
      const event = point(KIND.NOTIFY, cell, Number.isFinite(count) ? count : -1);
      return runtime.notify(event, count);
    },
    isLockFree: native.isLockFree,
    pause: native.pause,
  };
  for (const [name, made] of Object.entries(explored)) {
    const { length } = native[name as Name];
    Object.defineProperties(made, { name: { value: name }, length: { value: length } });
  }
  Object.defineProperty(explored, Symbol.toStringTag, { value: "Atomics", configurable: true });
  return explored as unknown as typeof Atomics;
}

type WaitAsync = typeof native.waitAsync;

/** The platform's own function, with whatever arguments. */
function call(name: Name, ...args: readonly unknown[]): Value {
  return (native[name] as (...given: readonly unknown[]) => Value)(...args);
}

/** ToIntegerOrInfinity. */
function toInteger(value: unknown): number {
  return Math.trunc(+(value as string)) || 0;
}

/** What the functions that store convert a value to: a whole number, not yet of the element's size. */
function toValue({ big }: Cell, value: unknown): Value {
  return big ? toBigInt(value) : toInteger(value);
}

/** What those that wait do: a number may have a fraction until it is cut to a word. */
function toWord({ big }: Cell, value: unknown): Value {
  return big ? toBigInt(value) : +(value as string);
}

/** ToBigInt: unlike `BigInt(value)` it takes no number. */
function toBigInt(value: unknown): bigint {
  return BigInt.asIntN(Number.MAX_SAFE_INTEGER, value as bigint);
}

/** ToNumber; what is no number is no limit, and less than nothing is nothing. */
function toLimit(value: unknown): number {
  const limit = value === undefined ? NaN : +(value as string);
  return Number.isNaN(limit) ? Infinity : Math.max(0, limit);
}

/** A value as it would be read from the element once it was stored there. */
const SCRATCH = ELEMENTS.map(
  (name) => new (globalThis as unknown as Record<string, new (n: number) => Value[]>)[name]!(1),
);

function toElement({ element }: Cell, value: Value): Value {
  const scratch = SCRATCH[element]!;
  scratch[0] = value;
  return scratch[0];
}

/** The two halves, for the trace. */
function low(value: Value): number {
  return typeof value === "bigint" ? Number(BigInt.asIntN(32, value)) : value | 0;
}
function high(value: Value): number {
  return typeof value === "bigint" ? Number(BigInt.asIntN(32, value >> 32n)) : 0;
}
