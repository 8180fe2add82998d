import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { firstDifference, selfCheckRows } from "../../src/numeric/runtime/index.ts";

const probes = [1, 2, 3, 4];
const square = (rows: readonly number[]): Float32Array[] => rows.map((row) => Float32Array.of(row * row, -0, row / 3));

describe("selfCheckRows", () => {
  it("accepts rows that do not see each other, also from a buffer that is used again", async () => {
    const buffer = new Float32Array(64);
    const run = async (rows: readonly number[]): Promise<Float32Array[]> =>
      square(rows).map((row, i) => {
        buffer.set(row, i * 3);
        return buffer.subarray(i * 3, i * 3 + 3);
      });
    assert.deepEqual(await selfCheckRows({ run, probes }), { runs: 10, rows: 26 });
  });

  const untrusted: Readonly<Record<string, (rows: readonly number[]) => Float32Array[]>> = {
    "a sum that depends on the batch's size": (rows) =>
      square(rows).map((row) => row.map((value) => value + (rows.length > 4 ? 2 ** -20 : 0))),
    "a last bit that depends on the position": (rows) =>
      square(rows).map((row, i) => (i === 3 ? row.map((value, j) => (j === 2 ? value * (1 + 2 ** -23) : value)) : row)),
    "a mate that leaks": (rows) => square(rows).map((row) => row.map((value) => value + Math.max(...rows) * 1e-6)),
    "zero with another sign": (rows) =>
      square(rows).map((row) => row.map((value) => (rows.length > 1 && value === 0 ? 0 : value))),
    "a value that is not finite": (rows) => square(rows).map((row, i) => (rows[i] === 3 ? row.map(() => NaN) : row)),
    "too few rows": (rows) => square(rows).slice(1),
  };
  for (const [what, run] of Object.entries(untrusted))
    it(`refuses ${what}`, async () => {
      await assert.rejects(selfCheckRows({ run: async (rows) => run(rows), probes, what: "version v1" }), {
        code: "NUMERICS_UNTRUSTED",
        message: /^version v1/,
      });
    });

  it("refuses a run whose answers change from time to time", async () => {
    let runs = 0;
    await assert.rejects(
      selfCheckRows({
        run: async (rows) => square(rows).map((row) => row.map((value) => value + (++runs > 4 ? 1 : 0))),
        probes,
      }),
      { code: "NUMERICS_UNTRUSTED" },
    );
  });

  it("needs two probes", async () => {
    await assert.rejects(selfCheckRows({ run: async (rows) => square(rows), probes: [1] }), { code: "OPTION_INVALID" });
  });
});

it("firstDifference compares raw bits", () => {
  assert.equal(firstDifference(Float32Array.of(1, NaN), Float32Array.of(1, NaN)), -1);
  assert.equal(firstDifference(Float32Array.of(1, 0), Float32Array.of(1, -0)), 1);
  assert.equal(firstDifference(Float32Array.of(1), Float32Array.of(1, 2)), 1);
});
