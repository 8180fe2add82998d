/** Multiplies large matrices in ONNX Runtime, so that the process can try to exit under it. */
import { GraphBuilder } from "../../src/numeric/graph/index.ts";
import { createExecutor, type ScopeHandle } from "../../src/numeric/runtime/index.ts";
import { tensor } from "../../src/numeric/tensor/index.ts";
import { markBusy, serveWorker } from "../../src/threads/pool/index.ts";

const N = 1536;
interface Run {
  readonly kind: "run";
}

await serveWorker<Run, Run, string>(async (context) => {
  const builder = new GraphBuilder();
  const x = builder.input("x", "real", [N, N]);
  const w = builder.parameter("w", [N, N]);
  let y = x;
  for (let i = 0; i < 4; i++) y = builder.matmul(y, w);
  builder.output("y", y);
  const executor = await createExecutor("native", { scope: context.scope as ScopeHandle | undefined });
  const weights = { w: tensor("float32", [N, N], new Float32Array(N * N)) };
  const session = await markBusy(() => executor.load(builder.build(), { form: "shared", weights }));
  return {
    run: async (request) => {
      context.emit("started");
      const inputs = { x: tensor("float32", [N, N], new Float32Array(N * N)) };
      const outputs = { y: tensor("float32", [N, N], new Float32Array(N * N)) };
      for (let i = 0; i < 3; i++) await markBusy(() => session.run(inputs, outputs));
      return request;
    },
  };
});
