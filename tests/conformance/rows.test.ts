/**
 * P2 at its root: in packed form a row's bits do not depend on how many rows there are, where it stands, or how many
 * threads run.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  createExecutor,
  createNativeExecutor,
  firstDifference,
  selfCheckRows,
  type Executor,
} from "../../src/numeric/runtime/index.ts";
import { tensor } from "../../src/numeric/tensor/index.ts";
import { encoder } from "./cases.ts";
import { ints, weightsOf } from "./support.ts";

const T = 9,
  C = 64,
  V = 77;
const graph = encoder({ C, H: 4, V, rate: 0 });
const weights = weightsOf(graph, 0.1);

interface Row {
  readonly ids: readonly number[];
  readonly length: number;
}
const rows: readonly Row[] = Array.from({ length: 8 }, (_, row) => ({
  ids: Array.from({ length: T }, (_, t) => (7 * row * row + 13 * t + row * t) % V),
  length: T - (row % 4),
}));

/** Runs of one session: the hidden states of every row of a batch. */
async function runner(
  executor: Executor,
): Promise<{ run: (batch: readonly Row[]) => Promise<Float32Array[]>; dispose: () => Promise<void> }> {
  const session = await executor.load(graph, { form: "packed", weights });
  return {
    dispose: () => session.dispose(),
    run: async (batch) => {
      const B = batch.length;
      const hidden = tensor("float32", [B * T, C], new Float32Array(B * T * C));
      const mask = tensor(
        "float32",
        [B, 1, 1, T],
        Float32Array.from(
          batch.flatMap(({ length }) => Array.from({ length: T }, (_, t) => (t < length ? 0 : -Infinity))),
        ),
      );
      await session.run(
        {
          tokens: ints(
            [B, T],
            batch.flatMap(({ ids }) => ids),
          ),
          mask,
          positions: ints([2], [0, 1]),
          labels: ints([2], [0, 1]),
        },
        { hidden: { ...hidden, shape: [B, T, C] } },
      );
      return batch.map((_, row) => hidden.data.slice(row * T * C, (row + 1) * T * C));
    },
  };
}

for (const name of ["native", "portable"] as const)
  describe(name, () => {
    it("gives one row the same bits in every batch and position", async () => {
      const { run, dispose } = await runner(await createExecutor(name));
      const alone = await Promise.all([rows[0] as Row].map((row) => run([row])));
      for (const size of [1, 2, 3, 5, 8])
        for (let position = 0; position < size; position++) {
          const mates = rows.slice(1, size);
          const results = await run([...mates.slice(0, position), rows[0] as Row, ...mates.slice(position)]);
          assert.equal(
            firstDifference(results[position] as Float32Array, alone[0]?.[0] as Float32Array),
            -1,
            `batch of ${size}, position ${position}`,
          );
        }
      await dispose();
    });

    it("passes its self-check", async () => {
      const { run, dispose } = await runner(await createExecutor(name));
      assert.deepEqual(await selfCheckRows({ run, probes: rows.slice(0, 4) }), { runs: 10, rows: 26 });
      await dispose();
    });
  });

it("native gives the same bits with one thread and with two", async () => {
  const [one, two] = [
    await runner(await createNativeExecutor()),
    await runner(await createNativeExecutor({ intraOpThreads: 2 })),
  ];
  const [left, right] = [await one.run(rows), await two.run(rows)];
  left.forEach((row, i) => assert.equal(firstDifference(row, right[i] as Float32Array), -1));
  await one.dispose();
  await two.dispose();
});
