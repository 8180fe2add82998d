/**
 * P2 for every family and head: a row's bits in packed form, in the two executors that answer. At two widths, since the
 * library has other kernels for larger products, and with a head of one output, whose product has one column.
 * @concurrent
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { newModelConfig, type Head, type ModelConfig } from "../../src/language/models/index.ts";
import { createExecutor, type Executor } from "../../src/numeric/runtime/index.ts";
import { eachFamily, load, run, ROWS, SIZES } from "./any-family.ts";

const executors = [await createExecutor("native"), await createExecutor("portable")];
const WIDE = {
  ...SIZES,
  vocab_size: 500,
  hidden_size: 384,
  num_hidden_layers: 1,
  num_attention_heads: 6,
  intermediate_size: 1536,
  max_position_embeddings: 64,
  initializer_range: 0.05,
};
const ORDERS = [
  [0, 1],
  [2, 0, 1],
  [1, 1, 2, 0, 2],
];

/** Rows of two numbers of tokens less than `tokens`, and of `tokens`. */
function rowsUpTo(tokens: number, vocabulary: number): number[][] {
  return Array.from({ length: 9 }, (_, row) =>
    Array.from({ length: tokens - (row % 3) }, (_unused, t) => 5 + ((131 * row + 37 * t) % (vocabulary - 5))),
  );
}

type Rows = readonly (readonly number[])[];

async function sameBits(executor: Executor, config: ModelConfig, head: Head, rows: Rows, orders: Rows): Promise<void> {
  const session = await load(executor, config, head);
  const T = Math.max(...rows.map(({ length }) => length));
  const alone: number[][] = [];
  for (const row of rows) alone.push((await run(session, "float32", config, head, [row], T))(0));
  for (const order of orders) {
    const mates = order.map((row) => rows[row]!);
    const rowOf = await run(session, "float32", config, head, mates, T);
    order.forEach((row, b) => {
      const [here, there] = [rowOf(b), alone[row]!];
      const same = here.length === there.length && here.every((value, i) => Object.is(value, there[i]));
      assert.ok(same, `${executor.name}, ${head.kind}, ${T} tokens, row ${row} at place ${b}`);
    });
  }
  await session.dispose();
}

eachFamily((name, config, heads) => {
  test(`${name}: a row has the same bits alone, with mates, and at any place among them`, async () => {
    const wide = newModelConfig(name, WIDE);
    const pooling = heads.find((head) => head.kind === "sequence")!.pooling;
    const oneOfAKind = heads.filter(({ kind }, i) => heads.findIndex((head) => head.kind === kind) === i);
    const oneOutput: readonly Head[] = [
      { kind: "sequence", labels: 1, pooling },
      { kind: "token", labels: 1 },
    ];
    for (const executor of executors) {
      for (const head of heads) await sameBits(executor, config, head, ROWS, ORDERS);
      for (const head of [...oneOfAKind, ...oneOutput])
        await sameBits(executor, wide, head, rowsUpTo(16, WIDE.vocab_size), [[0, 1, 2, 3, 4, 5, 6, 7, 8]]);
    }
  });
});
