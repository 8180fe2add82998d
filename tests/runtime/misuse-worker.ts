/** Loads sessions, runs them, and ends without releasing any. */
import { workerData } from "node:worker_threads";
import { GraphBuilder } from "../../src/numeric/graph/index.ts";
import { createExecutor, type ScopeHandle } from "../../src/numeric/runtime/index.ts";
import { tensor } from "../../src/numeric/tensor/index.ts";

const b = new GraphBuilder();
b.output("y", b.matmul(b.input("x", "real", ["N", 4]), b.parameter("w", [4, 4])));
const graph = b.build();
const executor = await createExecutor("native", { scope: workerData as ScopeHandle });
const weights = { w: tensor("float32", [4, 4], new Float32Array(16).fill(2)) };
for (let i = 0; i < 5; i++) {
  const session = await executor.load(graph, { form: i % 2 === 0 ? "packed" : "shared", weights });
  const y = tensor("float32", [1, 4], new Float32Array(4));
  await session.run({ x: tensor("float32", [1, 4], new Float32Array(4).fill(1)) }, { y });
  if (y.data[0] !== 8) throw new Error(`wrong: ${y.data[0]}`);
}
process.exit(0);
