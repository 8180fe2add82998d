/**
 * `Atomics` as explored code sees it: the same functions, each of which is a point of the schedule when it touches
 * shared memory. Arguments that the language would refuse are left to the platform to refuse.
 */
import { KIND } from "./control.ts";
import { native } from "./native.ts";
import type { ThreadRuntime } from "./runtime.ts";

type Ints =
  Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array;
type Value = number | bigint;

export function exploredAtomics(runtime: ThreadRuntime): typeof Atomics {
  const waitAsync = Atomics.waitAsync.bind(Atomics);
  const shared = (array: unknown, index: unknown): array is Ints =>
    runtime.active &&
    ArrayBuffer.isView(array) &&
    array.buffer instanceof SharedArrayBuffer &&
    Number.isInteger(index) &&
    (index as number) >= 0 &&
    (index as number) < (array as Ints).length;
  const at = (kind: number, array: Ints, index: number, a: Value, b: Value, peek: number | null): number =>
    runtime.point(
      kind,
      runtime.bufferId(array.buffer as SharedArrayBuffer),
      array.byteOffset + index * array.BYTES_PER_ELEMENT,
      array.BYTES_PER_ELEMENT,
      word(a),
      word(b),
      peek,
    );

  const modify = (name: "add" | "sub" | "and" | "or" | "xor" | "exchange") => {
    const perform = native[name] as (array: Ints, index: number, value: Value) => Value;
    return (array: Ints, index: number, value: Value): Value => {
      if (!shared(array, index)) return perform(array, index, value);
      const event = at(KIND.RMW, array, index, value, 0, null);
      const before = perform(array, index, value);
      runtime.did(event, word(before), word(native.load(array as Int32Array, index)), true, true);
      return before;
    };
  };

  const explored = {
    load(array: Ints, index: number): Value {
      if (!shared(array, index)) return native.load(array, index);
      const event = at(KIND.LOAD, array, index, 0, 0, word(native.load(array as Int32Array, index)));
      const value = native.load(array as Int32Array, index);
      runtime.did(event, word(value), word(value), false, true);
      return value;
    },
    store(array: Ints, index: number, value: Value): Value {
      if (!shared(array, index)) return native.store(array, index, value as number);
      const event = at(KIND.STORE, array, index, value, 0, null);
      const before = native.load(array as Int32Array, index);
      const stored = native.store(array as Int32Array, index, value as number);
      runtime.did(event, word(before), word(native.load(array as Int32Array, index)), true, false);
      return stored;
    },
    add: modify("add"),
    sub: modify("sub"),
    and: modify("and"),
    or: modify("or"),
    xor: modify("xor"),
    exchange: modify("exchange"),
    compareExchange(array: Ints, index: number, expected: Value, replacement: Value): Value {
      if (!shared(array, index)) return native.compareExchange(array, index, expected as number, replacement as number);
      const now = native.load(array as Int32Array, index);
      const event = at(KIND.CAS, array, index, expected, replacement, now === expected ? null : word(now));
      const before = native.compareExchange(array as Int32Array, index, expected as number, replacement as number);
      const wrote = before === expected;
      runtime.did(event, word(before), wrote ? word(replacement) : word(before), wrote, true);
      return before;
    },
    wait(
      array: Int32Array | BigInt64Array,
      index: number,
      expected: Value,
      timeout = Infinity,
    ): "ok" | "not-equal" | "timed-out" {
      if (!shared(array, index)) return native.wait(array as Int32Array, index, expected as number, timeout);
      const polls = Number.isFinite(timeout) && native.load(array as Int32Array, index) === expected;
      const event = at(KIND.WAIT, array, index, expected, 0, polls ? word(expected) : null);
      const value = native.load(array as Int32Array, index);
      if (value !== expected) {
        runtime.did(event, word(value), word(value), false, true);
        return "not-equal";
      }
      return runtime.sleep(event, word(value), Math.max(0, Number.isNaN(timeout) ? Infinity : timeout));
    },
    waitAsync(
      array: Int32Array | BigInt64Array,
      index: number,
      expected: Value,
      timeout = Infinity,
    ): { async: false; value: "not-equal" | "timed-out" } | { async: true; value: Promise<"ok" | "timed-out"> } {
      if (!shared(array, index)) return waitAsync(array as Int32Array, index, expected as number, timeout);
      const event = at(KIND.ASYNC_WAIT, array, index, expected, 0, null);
      const value = native.load(array as Int32Array, index);
      if (value !== expected || timeout <= 0) {
        runtime.did(event, word(value), word(value), false, true);
        return { async: false, value: value === expected ? "timed-out" : "not-equal" };
      }
      return { async: true, value: runtime.sleepAsync(event, word(value), Number.isNaN(timeout) ? Infinity : timeout) };
    },
    notify(array: Int32Array | BigInt64Array, index: number, count = Infinity): number {
      if (!shared(array, index)) return native.notify(array as Int32Array, index, count);
      const event = at(KIND.NOTIFY, array, index, Number.isFinite(count) ? count : -1, 0, null);
      return runtime.notify(event, Math.max(0, count));
    },
    isLockFree: native.isLockFree,
    pause: (): void => {},
    [Symbol.toStringTag]: "Atomics",
  };
  return explored as unknown as typeof Atomics;
}

/** The low 32 bits, for the trace. */
function word(value: Value): number {
  return typeof value === "bigint" ? Number(BigInt.asIntN(32, value)) : value | 0;
}
