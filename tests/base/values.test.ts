/** Canonical JSON, options, errors, lengths, clocks and formats. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { z } from "zod";
import {
  canonicalJson,
  decodeError,
  encodeError,
  formatBytes,
  formatCount,
  formatDuration,
  isLockstepError,
  LockstepError,
  ManualClock,
  paddedLength,
  parseOptions,
  sha256Hex,
  systemClock,
  toLockstepError,
} from "../../src/base/index.ts";

test("canonical JSON is valid JSON of the same value and does not depend on the order of keys", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      assert.equal(JSON.stringify(JSON.parse(text)).length, JSON.stringify(value).length);
      assert.equal(canonicalJson(JSON.parse(text)), text);
    }),
  );
  assert.equal(
    canonicalJson({ b: [1, { d: null, c: "é\n" }], a: true, 10: 1, 9: 2 }),
    '{"10":1,"9":2,"a":true,"b":[1,{"c":"é\\n","d":null}]}',
  );
  assert.equal(canonicalJson({ a: 1, b: 2 }), canonicalJson({ b: 2, a: 1 }));
  assert.equal(canonicalJson([-0, 1e21, 0.1]), "[0,1e+21,0.1]");
  const shared = { x: 1 };
  assert.equal(canonicalJson([shared, shared]), '[{"x":1},{"x":1}]');
});

test("what JSON would lose is refused with its path", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  for (const [value, path] of [
    [NaN, "$"],
    [{ a: [1, Infinity] }, "$.a[1]"],
    [{ a: undefined }, "$.a"],
    [new Array(1), "$[0]"],
    [1n, "$"],
    [{ f: () => 1 }, "$.f"],
    [{ d: new Date(0) }, "$.d"],
    [[new Map()], "$[0]"],
    [new Float32Array(1), "$"],
    [cycle, "$.self"],
  ] as const) {
    assert.throws(
      () => canonicalJson(value),
      (error) => isLockstepError(error) && error.code === "INPUT_INVALID" && error.details["path"] === path,
    );
  }
});

test("SHA-256 of text, bytes and shared memory", () => {
  assert.equal(sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert.equal(
    sha256Hex("a", new Uint8Array([98]), "c"),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  const bytes = new Uint8Array(new SharedArrayBuffer(4), 1, 3);
  bytes.set([97, 98, 99]);
  assert.equal(sha256Hex(bytes), sha256Hex("abc"));
});

test("options: defaults are filled in, and every wrong field is named", () => {
  const schema = z.strictObject({
    rate: z.number().min(0).max(1).default(0.5),
    layers: z.array(z.strictObject({ size: z.int() })).default([]),
  });
  assert.deepEqual(parseOptions(schema, {}, "the recipe"), { rate: 0.5, layers: [] });
  assert.throws(
    () => parseOptions(schema, { rate: 2, layers: [{ size: "x" }], colour: 1 }, "the recipe"),
    (error) => {
      assert.ok(isLockstepError(error) && error.code === "OPTION_INVALID");
      assert.match(error.message, /^the recipe is not valid\. /);
      assert.match(error.message, /rate: /);
      assert.match(error.message, /layers\[0\]\.size: /);
      assert.match(error.message, /\(top level\): .*"colour"/);
      assert.deepEqual(error.details["paths"], ["rate", "layers[0].size", "(top level)"]);
      return true;
    },
  );
  assert.throws(
    () => parseOptions(schema, null, "the body", "INPUT_INVALID"),
    (error) => isLockstepError(error) && error.code === "INPUT_INVALID",
  );
  assert.throws(() => parseOptions(z.array(z.int()), new Array(20).fill("x"), "it"), /and 12 more/);
});

test("errors survive a thread boundary with class, code and details", () => {
  const error = new LockstepError("WEIGHTS_INVALID", "bad", { tensor: "w" });
  const decoded = decodeError(structuredClone(encodeError(error)));
  assert.ok(isLockstepError(decoded) && decoded instanceof LockstepError);
  assert.deepEqual(
    [
      decoded.code,
      decoded.message,
      decoded.details,
      decoded.stack,
      decoded.exitCode,
      decoded.httpStatus,
      decoded.retryable,
    ],
    ["WEIGHTS_INVALID", "bad", { tensor: "w" }, error.stack, 2, 422, false],
  );
  const foreign = toLockstepError(new TypeError("oops"));
  assert.deepEqual([foreign.code, foreign.message], ["INTERNAL", "oops"]);
  assert.match(decodeError(encodeError(new TypeError("oops"))).stack ?? "", /TypeError: oops/);
  assert.equal(toLockstepError("text").message, "text");
  assert.equal(isLockstepError(null), false);
});

test("padded lengths: exact to 64, then multiples of 16, never shorter, and stable under padding", () => {
  assert.deepEqual([1, 2, 63, 64, 65, 80, 81, 128, 129].map(paddedLength), [1, 2, 63, 64, 80, 80, 96, 128, 144]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), (n) => {
      const padded = paddedLength(n);
      assert.ok(padded >= n && padded < n + 16 && paddedLength(padded) === padded);
    }),
  );
  for (const bad of [0, -1, 1.5, NaN]) assert.throws(() => paddedLength(bad), isLockstepError);
});

test("a manual clock wakes sleepers in order of their time, and only then", async () => {
  const clock = new ManualClock(1000);
  const woken: string[] = [];
  const late = clock.sleep(20).then(() => woken.push("late"));
  const early = clock.sleep(10).then(() => woken.push("early"));
  clock.advance(9);
  await Promise.resolve();
  assert.deepEqual(woken, []);
  clock.advance(11);
  await Promise.all([late, early]);
  assert.deepEqual(woken, ["early", "late"]);
  assert.deepEqual([clock.now(), clock.elapsed()], [1020, 20]);
});

test("sleeping is cancelled by its signal, in both clocks, before and during", async () => {
  for (const clock of [systemClock, new ManualClock()]) {
    const controller = new AbortController();
    const sleeping = clock.sleep(60_000, controller.signal);
    controller.abort();
    await assert.rejects(sleeping, (error) => isLockstepError(error) && error.code === "CANCELLED");
    await assert.rejects(
      clock.sleep(60_000, controller.signal),
      (error) => isLockstepError(error) && error.code === "CANCELLED",
    );
  }
  const before = systemClock.elapsed();
  await systemClock.sleep(2);
  assert.ok(systemClock.elapsed() - before >= 1);
});

test("numbers for people", () => {
  assert.deepEqual([0, 340, 999.4, 999.6, 4_240, 59_949, 59_960, 185_000, 3_599_600, 7_620_000].map(formatDuration), [
    "0 ms",
    "340 ms",
    "999 ms",
    "1.0 s",
    "4.2 s",
    "59.9 s",
    "1 min 00 s",
    "3 min 05 s",
    "1 h 00 min",
    "2 h 07 min",
  ]);
  assert.deepEqual([0, 987, 999, 1_000, 12_345, 999_600, 4_560_000, 1.2e9].map(formatCount), [
    "0",
    "987",
    "999",
    "1.00 k",
    "12.3 k",
    "1.00 M",
    "4.56 M",
    "1.20 G",
  ]);
  assert.deepEqual([512, 1_536, 45.2 * 2 ** 20].map(formatBytes), ["512 B", "1.50 KiB", "45.2 MiB"]);
});

test("a misspelt field is told what it was probably meant to be, also inside others", () => {
  const inner = z.strictObject({ epochs: z.int(), batch_size: z.int() }).partial();
  const schema = z.strictObject({ finetune: inner.optional(), list: z.array(inner).default([]) });
  const message = (value: unknown): string => {
    try {
      parseOptions(schema, value, "it");
    } catch (thrown) {
      return (thrown as Error).message;
    }
    return assert.fail("taken");
  };
  assert.match(message({ fintune: {} }), /"fintune"; did you mean "finetune"\?/);
  assert.match(message({ finetune: { epoch: 1 } }), /^it is not valid\. finetune: .*did you mean "epochs"\?/);
  assert.match(message({ list: [{ batchsize: 1 }] }), /list\[0\]: .*did you mean "batch_size"\?/);
  assert.ok(!message({ colour: 1 }).includes("did you mean"));
});
