/**
 * Functions of Node's modules that look into what they are given, or fill it: comparing, printing, files, hashes,
 * compression. A table; what they touch is reported whole when they are called. Of objects that they look into, what is
 * found by way of plain properties counts.
 */
import { createRequire, syncBuiltinESMExports } from "node:module";
import { types } from "node:util";
import { isSharedView, reportBytes } from "./accessors.ts";
import { replacer, type Rule } from "./replace.ts";
import type { AccessSink } from "./sink.ts";

type Module = Record<string, unknown>;
const nodeModule = createRequire(import.meta.url) as (name: string) => Module;

export function installNodeCalls(sink: AccessSink): void {
  const { before } = replacer();
  const whole = (value: unknown, write: boolean): void => {
    if (isSharedView(value)) reportBytes(sink, value, 0, value.byteLength, write);
    else if (types.isSharedArrayBuffer(value)) sink.plain(value, 0, value.byteLength, write);
  };
  const reads =
    (...at: readonly number[]): Rule =>
    (_self, args) => {
      for (const index of at) whole(args[index], false);
    };
  const fills =
    (at: number): Rule =>
    (_self, args) => {
      whole(args[at], true);
    };
  const lists =
    (at: number, write: boolean): Rule =>
    (_self, args) => {
      if (Array.isArray(args[at])) args[at].forEach((view) => whole(view, write));
    };
  const looksInto: Rule = (_self, args) => {
    const seen = new Set<unknown>();
    for (const value of args) into(value, seen);
  };
  const into = (value: unknown, seen: Set<unknown>): void => {
    if (typeof value !== "object" || value === null || seen.has(value) || types.isProxy(value)) return;
    seen.add(value);
    if (ArrayBuffer.isView(value)) return whole(value, false);
    for (const descriptor of Object.values(Object.getOwnPropertyDescriptors(value)))
      if ("value" in descriptor) into(descriptor.value, seen);
    if (value instanceof Map || value instanceof Set) value.forEach((one: unknown) => into(one, seen));
  };
  const all = (names: readonly string[], rule: Rule): Record<string, Rule> =>
    Object.fromEntries(names.map((name) => [name, rule]));

  const comparing = all(
    ["deepEqual", "deepStrictEqual", "notDeepEqual", "notDeepStrictEqual", "partialDeepStrictEqual"],
    looksInto,
  );
  const assert = nodeModule("node:assert");
  before(assert, comparing);
  before(assert["strict"] as object, comparing);
  const printing = ["assert", "debug", "dir", "error", "info", "log", "table", "trace", "warn"];
  before(console, all(printing, looksInto));
  const util = nodeModule("node:util");
  before(util, all(["format", "formatWithOptions", "inspect", "isDeepStrictEqual"], looksInto));
  before(nodeModule("node:v8"), { serialize: looksInto });
  before(nodeModule("node:crypto"), {
    hash: reads(1),
    sign: reads(1),
    timingSafeEqual: reads(0, 1),
    verify: reads(1, 3),
    randomFill: fills(0),
    randomFillSync: fills(0),
  });
  before(nodeModule("node:fs"), {
    ...all(["read", "readSync"], fills(1)),
    ...all(["readv", "readvSync"], lists(1, true)),
    ...all(["write", "writeSync", "writeFile", "writeFileSync", "appendFile", "appendFileSync"], reads(1)),
    ...all(["writev", "writevSync"], lists(1, false)),
  });
  before(nodeModule("node:fs/promises"), all(["writeFile", "appendFile"], reads(1)));
  const zlib = nodeModule("node:zlib");
  const compressing = Object.keys(zlib).filter((name) =>
    /^(?:crc32|(?:[a-z]+(?:zip|flate)|brotli|zstd)\w*)$/.test(name),
  );
  before(zlib, all(compressing, reads(0)));
  const vm = nodeModule("node:vm");
  const unwatched = (): void => sink.unwatched?.("code given to node:vm");
  before(vm, all(["compileFunction", "runInContext", "runInNewContext", "runInThisContext"], unwatched));
  vm["Script"] = new Proxy(vm["Script"] as new () => object, {
    construct(target, args, newTarget) {
      unwatched();
      return Reflect.construct(target, args, newTarget) as object;
    },
  });
  syncBuiltinESMExports();
}
