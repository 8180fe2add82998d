/** From rows to a graph's inputs: padding, dummy rows, and what each head gets. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isLockstepError } from "../../src/base/index.ts";
import { batchInputs, type Head, type TokenRow } from "../../src/language/models/index.ts";
import { bertConfig } from "./bert-config.ts";

const MEAN: Head = { kind: "sequence", labels: 3, pooling: "mean" };
const FIRST: Head = { kind: "sequence", labels: 3, pooling: "first" };
const CONFIG = bertConfig({});
const row = (ids: readonly number[], typeIds?: readonly number[]): TokenRow => ({
  ids: Int32Array.from(ids),
  ...(typeIds === undefined ? {} : { typeIds: Int32Array.from(typeIds) }),
});
const list = (inputs: ReturnType<typeof batchInputs>, name: string): number[] => Array.from(inputs[name]!.data, Number);

describe("batchInputs", () => {
  test("one row of three in a batch padded to four: the dummy row has one token and padding for the rest", () => {
    const inputs = batchInputs([row([7, 8, 9], [0, 0, 1])], CONFIG, MEAN, { tokens: 4, padId: 5, real: "float32" });
    assert.deepEqual(list(inputs, "input_ids"), [7, 8, 9, 5, 5, 5, 5, 5]);
    assert.deepEqual(list(inputs, "token_type_ids"), [0, 0, 1, 0, 0, 0, 0, 0]);
    assert.deepEqual(list(inputs, "position_ids"), [0, 1, 2, 0, 0, 0, 0, 0]);
    assert.deepEqual(list(inputs, "attention_bias"), [0, 0, 0, -Infinity, 0, -Infinity, -Infinity, -Infinity]);
    const third = Math.fround(1 / 3);
    assert.deepEqual(list(inputs, "mean_weights"), [third, third, third, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert.deepEqual(
      Object.fromEntries(Object.entries(inputs).map(([name, { shape, dtype }]) => [name, [dtype, ...shape]])),
      {
        input_ids: ["int32", 2, 4],
        token_type_ids: ["int32", 2, 4],
        position_ids: ["int32", 2, 4],
        attention_bias: ["float32", 2, 1, 1, 4],
        mean_weights: ["float32", 2, 2, 4],
      },
    );
  });

  test("each head gets its own way of picking features", () => {
    const names = (head: Head) =>
      Object.keys(batchInputs([row([1]), row([1, 2])], CONFIG, head, { tokens: 3, padId: 0, real: "float64" })).slice(
        4,
      );
    assert.deepEqual(
      [
        names(MEAN),
        names(FIRST),
        names({ kind: "encoder", pooling: "mean" }),
        names({ kind: "encoder", pooling: "first" }),
        names({ kind: "token", labels: 2 }),
        names({ kind: "masked-lm" }),
      ],
      [["mean_weights"], ["first_index"], ["mean_weights"], ["first_index"], [], []],
    );
    assert.deepEqual(
      list(
        batchInputs([row([1]), row([1, 2]), row([3])], CONFIG, FIRST, { tokens: 3, padId: 0, real: "float32" }),
        "first_index",
      ),
      [0, 3, 6],
    );
  });

  test("in general", () => {
    const rows = fc.array(fc.array(fc.integer({ min: 1, max: 999 }), { minLength: 1, maxLength: 12 }), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(
        rows,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 5 }),
        fc.constantFrom("float32" as const, "float64" as const),
        (lists, minimumRows, more, real) => {
          const T = Math.max(2, ...lists.map(({ length }) => length)) + more;
          const inputs = batchInputs(
            lists.map((ids) => row(ids)),
            CONFIG,
            MEAN,
            { tokens: T, minimumRows, padId: 0, real },
          );
          const B = Math.max(lists.length, minimumRows);
          assert.deepEqual(inputs["input_ids"]!.shape, [B, T]);
          assert.equal(inputs["attention_bias"]!.dtype, real);
          for (let b = 0; b < B; b++) {
            const length = lists[b]?.length ?? 1;
            const of = (name: string, width = T) => list(inputs, name).slice(b * width, b * width + T);
            assert.deepEqual(
              of("input_ids"),
              Array.from({ length: T }, (_, t) => lists[b]?.[t] ?? 0),
            );
            assert.deepEqual(
              of("attention_bias").map((x) => x === 0),
              Array.from({ length: T }, (_, t) => t < length),
            );
            assert.ok(
              of("position_ids").every((p, t) => p === (t < length ? t : 0)),
              "positions of padding stay inside any table",
            );
            const weights = of("mean_weights", 2 * T);
            assert.ok(
              weights.every((w, t) => (w !== 0) === t < length) &&
                Math.abs(weights.reduce((a, b) => a + b, 0) - 1) < 1e-6,
            );
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  test("a row that is empty, or longer than the batch, is a mistake of the caller", () => {
    for (const bad of [row([]), row([1, 2, 3])])
      assert.throws(
        () => batchInputs([bad], CONFIG, MEAN, { tokens: 2, padId: 0, real: "float32" }),
        (error: unknown) => isLockstepError(error) && error.code === "INTERNAL",
      );
  });
});
