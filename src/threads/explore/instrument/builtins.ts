/**
 * Built-ins that read or write many elements inside the engine or inside Node, where transformed code does not reach:
 * each is replaced, in exploring threads only, by a function of the same name and length that reports what it is about
 * to touch in shared memory and then calls the native one. One rule for each method; a range whose bounds are not plain
 * numbers is reported whole, since converting them twice would be seen. A method that touches a range inside the engine
 * counts as one step; where user code runs between the elements (callbacks, iterators), each element is one
 * (iteration.ts).
 *
 * Here are the typed arrays' own and Buffer's; reflection.ts has those that take any object, node-calls.ts functions of
 * Node's modules. Not seen, and so a limit: streams, sockets, blobs and file handles. Production code declares those
 * with `access`.
 */
import { createHash, createHmac } from "node:crypto";
import { types } from "node:util";
import { installExplorationHook } from "../../../base/index.ts";
import {
  installAccessors,
  isSharedElements,
  isSharedView,
  lengthOf,
  reportBytes,
  reportElements,
} from "./accessors.ts";
import { CALLBACK_METHODS, reportingCallback, reportingIterator } from "./iteration.ts";
import { installNodeCalls } from "./node-calls.ts";
import { installReflection } from "./reflection.ts";
import { apply, replacer, type Args, type Rule } from "./replace.ts";
import type { AccessSink } from "./sink.ts";

const TYPED_ARRAYS = [
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float16Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
];
const DATA_VIEW_BYTES: Readonly<Record<string, number>> = {
  Int8: 1,
  Uint8: 1,
  Int16: 2,
  Uint16: 2,
  Float16: 2,
  Int32: 4,
  Uint32: 4,
  Float32: 4,
  Float64: 8,
  BigInt64: 8,
  BigUint64: 8,
};

/** Replaces the built-ins of this thread. */
export function installBuiltins(sink: AccessSink): void {
  const typedArray = Object.getPrototypeOf(Uint8Array) as { readonly prototype: object };
  const rules = createRules(sink);
  const { replace, before } = replacer();
  before(typedArray.prototype, rules.typedArray);
  for (const [name, method] of Object.entries(CALLBACK_METHODS)) {
    replace(
      typedArray.prototype,
      name,
      (native) =>
        ({
          method(this: unknown, ...args: Args): unknown {
            return apply(native, this, reportingCallback(sink, this, args, method));
          },
        }).method,
    );
  }
  for (const name of ["values", "entries", Symbol.iterator]) {
    replace(
      typedArray.prototype,
      name,
      (native) =>
        ({
          method(this: unknown, ...args: Args): unknown {
            return reportingIterator(sink, this, apply(native, this, args));
          },
        }).method,
    );
  }
  for (const name of TYPED_ARRAYS) replaceConstructor(name, rules.copy);
  before(DataView.prototype, rules.dataView);
  before(SharedArrayBuffer.prototype, { slice: rules.bufferSlice });
  before(Buffer.prototype as object, rules.buffer);
  before(Buffer, rules.bufferStatics);
  before(TextDecoder.prototype, { decode: rules.decode });
  before(TextEncoder.prototype, { encodeInto: rules.encodeInto });
  before(Object.getPrototypeOf(createHash("sha256")) as object, { update: rules.readArgument });
  before(Object.getPrototypeOf(createHmac("sha256", "")) as object, { update: rules.readArgument });
  installReflection(sink, rules.typedArray);
  installNodeCalls(sink);
}

/** `new Int32Array(view)` copies; the constructor stays the same object everywhere that one can look. */
function replaceConstructor(name: string, rule: (source: unknown) => void): void {
  const native = (globalThis as unknown as Record<string, (new (...args: Args) => object) | undefined>)[name];
  if (native === undefined) return;
  const replacement: typeof native = new Proxy(native, {
    construct(target, args: Args, newTarget: new (...given: never[]) => object) {
      rule(args[0]);
      return Reflect.construct<Args, object>(target, args, newTarget === replacement ? target : newTarget);
    },
  });
  Object.defineProperty(native.prototype as object, "constructor", {
    value: replacement,
    writable: true,
    configurable: true,
  });
  Object.defineProperty(globalThis, name, { value: replacement, writable: true, configurable: true });
}

function createRules(sink: AccessSink) {
  const elements = (view: unknown, [start, end]: readonly [number, number], write: boolean): void => {
    if (isSharedElements(view)) reportElements(sink, view, start, end - start, write);
  };
  const whole = (view: unknown, write: boolean): void => {
    if (isSharedElements(view)) elements(view, [0, lengthOf(view)], write);
  };
  const bytes = (view: unknown, start: unknown, count: number, write: boolean): void => {
    if (!isSharedView(view)) return;
    const from = start === undefined ? 0 : start;
    if (typeof from !== "number") reportBytes(sink, view, 0, view.byteLength, write);
    // else it throws
    else if (from >= 0 && from + count <= view.byteLength) reportBytes(sink, view, Math.trunc(from), count, write);
  };
  const readWhole: Rule = (self) => whole(self, false);
  const readWriteWhole: Rule = (self) => {
    whole(self, false);
    whole(self, true);
  };
  const read =
    (from: number): Rule =>
    (self, args) => {
      if (isSharedElements(self)) elements(self, relative(args[from], args[from + 1], lengthOf(self)), false);
    };

  const typedArray: Record<string, Rule> = {
    set: (self, [source, at = 0]) => {
      whole(source, false);
      if (!isSharedElements(self)) return;
      const count = isView(source) || Array.isArray(source) ? (source as ArrayLike<unknown>).length : NaN;
      const known = typeof at === "number" && Number.isInteger(at) && !Number.isNaN(count);
      if (!known) whole(self, true);
      else if (at >= 0 && at + count <= lengthOf(self)) elements(self, [at, at + count], true);
    },
    fill: (self, [, start, end]) => {
      if (isSharedElements(self)) elements(self, relative(start, end, lengthOf(self)), true);
    },
    copyWithin: (self, [to, start, end]) => {
      if (!isSharedElements(self)) return;
      const length = lengthOf(self);
      const [from, last] = relative(start, end, length);
      const [target] = relative(to, undefined, length);
      const count = Math.min(last - from, length - target);
      const known = [to, start, end].every((bound) => bound === undefined || typeof bound === "number");
      elements(self, known ? [from, from + count] : [0, length], false);
      elements(self, known ? [target, target + count] : [0, length], true);
    },
    at: (self, [index]) => {
      if (!isSharedElements(self)) return;
      if (index !== undefined && typeof index !== "number") return whole(self, false);
      const integer = Math.trunc(index ?? 0) || 0;
      const position = integer < 0 ? integer + lengthOf(self) : integer;
      if (position >= 0) elements(self, [position, position + 1], false);
    },
    slice: read(0),
    indexOf: (self, [, start]) => {
      if (isSharedElements(self)) elements(self, relative(start, undefined, lengthOf(self)), false);
    },
    lastIndexOf: readWhole,
    join: readWhole,
    toLocaleString: readWhole,
    toReversed: readWhole,
    toSorted: readWhole,
    with: readWhole,
    reverse: readWriteWhole,
    sort: readWriteWhole,
  };
  typedArray["includes"] = typedArray["indexOf"] as Rule;

  const dataView: Record<string, Rule> = {};
  for (const [type, size] of Object.entries(DATA_VIEW_BYTES)) {
    dataView[`get${type}`] = (self, [offset]) => bytes(self, offset, size, false);
    dataView[`set${type}`] = (self, [offset]) => bytes(self, offset, size, true);
  }

  const buffer: Record<string, Rule> = {
    copy: (self, [target, to = 0, start, end]) => {
      if (!isView(target) || !isView(self)) return;
      const [from, last] = absolute(start, end, self.byteLength);
      const count = typeof to === "number" ? Math.max(0, Math.min(last - from, target.byteLength - to)) : last - from;
      elements(self, [from, from + count], false);
      if (count > 0) bytes(target, to, count, true);
    },
    compare: (self, [other, otherStart, otherEnd, start, end]) => {
      if (isSharedElements(self)) elements(self, absolute(start, end, lengthOf(self)), false);
      if (isSharedElements(other)) elements(other, absolute(otherStart, otherEnd, lengthOf(other)), false);
    },
    equals: (self, [other]) => {
      whole(self, false);
      whole(other, false);
    },
    fill: (self, [value, start, end]) => {
      whole(value, false);
      if (isSharedElements(self))
        elements(
          self,
          typeof start === "string"
            ? [0, lengthOf(self)]
            : absolute(start, typeof end === "string" ? undefined : end, lengthOf(self)),
          true,
        );
    },
    write: (self, [text, ...rest]) => {
      if (!isSharedElements(self) || typeof text !== "string") return;
      const encoding = rest.find((part) => typeof part === "string") as BufferEncoding | undefined;
      const [offset = 0, length = Infinity] = rest.filter((part) => typeof part === "number");
      elements(self, [offset, offset + Math.min(length, Buffer.byteLength(text, encoding))], true);
    },
    indexOf: (self, [value]) => {
      whole(self, false);
      whole(value, false);
    },
    toJSON: readWhole,
    swap16: readWriteWhole,
    swap32: readWriteWhole,
    swap64: readWriteWhole,
  };
  buffer["toString"] = (self, [, start, end]) => {
    if (isSharedElements(self)) elements(self, absolute(start, end, lengthOf(self)), false);
  };
  for (const encoding of ["ascii", "base64", "base64url", "latin1", "hex", "ucs2", "utf8"]) {
    buffer[`${encoding}Slice`] = (self, [start, end]) => {
      if (isSharedElements(self)) elements(self, absolute(start, end, lengthOf(self)), false);
    };
    buffer[`${encoding}Write`] = (self, [text, at, length]) => buffer["write"]!(self, [text, at, length, encoding]);
  }
  buffer["toLocaleString"] = buffer["toString"];
  buffer["lastIndexOf"] = buffer["includes"] = buffer["indexOf"] as Rule;
  for (const name of Object.getOwnPropertyNames(Buffer.prototype)) {
    const [, verb, type = "", bits] = /^(read|write)(?:Big)?(U?[Ii]nt|Float|Double)(\d+)?(?:LE|BE)?$/.exec(name) ?? [];
    if (verb === undefined) continue;
    const fixed = bits === undefined ? { Float: 4, Double: 8 }[type] : Number(bits) / 8;
    const at = verb === "read" ? 0 : 1;
    buffer[name] = (self, args) => {
      const size = fixed ?? args[at + 1];
      if (typeof size === "number") bytes(self, args[at], size, verb === "write");
    };
  }

  return {
    typedArray,
    dataView,
    buffer,
    copy: (source: unknown): void => whole(source, false),
    bufferSlice: (self: unknown, [start, end]: Args): void => {
      if (!types.isSharedArrayBuffer(self)) return;
      const [from, last] = relative(start, end, self.byteLength);
      if (last > from) sink.plain(self, from, last - from, false);
    },
    bufferStatics: {
      from: (_self, [source]) => whole(source, false),
      concat: (_self, [list]) => {
        if (Array.isArray(list)) list.forEach((part) => whole(part, false));
      },
      compare: (_self, [a, b]) => {
        whole(a, false);
        whole(b, false);
      },
      copyBytesFrom: (_self, [source]) => whole(source, false),
    } satisfies Record<string, Rule>,
    decode: (_self: unknown, [input]: Args): void => {
      if (input instanceof SharedArrayBuffer) sink.plain(input, 0, input.byteLength, false);
      else bytes(input, 0, isView(input) ? input.byteLength : 0, false);
    },
    encodeInto: (_self: unknown, [text, target]: Args): void => {
      if (typeof text === "string" && isSharedElements(target)) elements(target, [0, Buffer.byteLength(text)], true);
    },
    readArgument: (_self: unknown, [data]: Args): void => bytes(data, 0, isView(data) ? data.byteLength : 0, false),
  };
}

const { isView } = ArrayBuffer;

/**
 * Start and end as `slice` takes them: negative ones count from the end. What is no number might be anything: the
 * whole.
 */
function relative(start: unknown, end: unknown, length: number): [number, number] {
  if ((start !== undefined && typeof start !== "number") || (end !== undefined && typeof end !== "number"))
    return [0, length];
  const clamp = (bound: number): number => {
    const integer = Math.trunc(bound) || 0;
    return integer < 0 ? Math.max(0, integer + length) : Math.min(integer, length);
  };
  return [clamp(start ?? 0), clamp(end ?? length)];
}

/** Start and end as Buffer takes them: never from the end. */
function absolute(start: unknown, end: unknown, length: number): [number, number] {
  if ((start !== undefined && typeof start !== "number") || (end !== undefined && typeof end !== "number"))
    return [0, length];
  const clamp = (bound: number): number => Math.max(0, Math.min(Math.trunc(bound) || 0, length));
  return [clamp(start ?? 0), clamp(end ?? length)];
}

/**
 * Makes accesses of this thread visible to the sink: those of transformed code, of built-ins, and those that production
 * code declares with `access` of base. Once in a thread, before the code under exploration is loaded. What the sink
 * itself touches while it is told is not reported.
 *
 * Returns the functions that forget module state, to be called before each schedule; it grows as modules load.
 */
export function installAccess(sink: AccessSink): readonly (() => void)[] {
  let telling = false;
  const outside: AccessSink = {
    ...sink,
    plain: (buffer, byteOffset, byteLength, write) => {
      if (telling) return;
      telling = true;
      try {
        sink.plain(buffer, byteOffset, byteLength, write);
      } finally {
        telling = false;
      }
    },
  };
  const resets: (() => void)[] = [];
  installExplorationHook({
    // A plain record of the three fields does as well as a view.
    access: ({ buffer, byteOffset, byteLength }, mode) => {
      if (types.isSharedArrayBuffer(buffer) && byteLength > 0)
        outside.plain(buffer, byteOffset, byteLength, mode === "w");
    },
    resets,
  });
  installAccessors(outside);
  installBuiltins(outside);
  return resets;
}
