/** P2 for every family and head: a row's bits in packed form, in the two executors that answer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createExecutor } from "../../src/numeric/runtime/index.ts";
import { eachFamily, load, run, ROWS } from "./any-family.ts";

const executors = [await createExecutor("native"), await createExecutor("portable")];

eachFamily((name, config, heads) => {
  test(`${name}: a row has the same bits alone, with mates, and at any place among them`, async () => {
    for (const executor of executors)
      for (const head of heads) {
        const session = await load(executor, config, head);
        const T = 7;
        const alone: number[][] = [];
        for (const row of ROWS) alone.push((await run(session, "float32", config, head, [row], T))(0));
        for (const order of [
          [0, 1],
          [2, 0, 1],
          [1, 1, 2, 0, 2],
        ]) {
          const rowOf = await run(
            session,
            "float32",
            config,
            head,
            order.map((row) => ROWS[row]!),
            T,
          );
          order.forEach((row, b) => {
            assert.deepEqual(rowOf(b), alone[row], `${executor.name}, ${head.kind}, row ${row} at place ${b}`);
          });
        }
        await session.dispose();
      }
  });
});
