/**
 * A chain of matrix products in ONNX Runtime, each short and all of them long: a run that can be ended between them.
 * As a pool's worker, or as a plain one (`workerData.plain`), which runs for ever.
 */
import { parentPort, workerData } from "node:worker_threads";
import { sha256Hex } from "../../src/base/index.ts";
import { GraphBuilder } from "../../src/numeric/graph/index.ts";
import { createExecutor, type ScopeHandle, type Session } from "../../src/numeric/runtime/index.ts";
import { tensor } from "../../src/numeric/tensor/index.ts";
import { markBusy, serveWorker } from "../../src/threads/pool/index.ts";

const N = 192;

export interface ChainRun {
  readonly kind: "run";
  readonly seed: number;
}
export interface ChainReply {
  readonly kind: "run";
  readonly sha256: string;
}

const shared = (elements: number): Float32Array => new Float32Array(new SharedArrayBuffer(4 * elements));

async function open(scope: ScopeHandle | undefined, links: number): Promise<Session> {
  const builder = new GraphBuilder();
  let y = builder.input("x", "real", [N, N]);
  const w = builder.parameter("w", [N, N]);
  for (let i = 0; i < links; i++) y = builder.tanh(builder.matmul(y, w));
  builder.output("y", y);
  const executor = await createExecutor("native", { scope });
  const weights = { w: tensor("float32", [N, N], fill(shared(N * N), 1)) };
  return await markBusy(() => executor.load(builder.build(), { form: "shared", weights }));
}

async function run(session: Session, seed: number): Promise<string> {
  const inputs = { x: tensor("float32", [N, N], fill(shared(N * N), seed)) };
  const y = shared(N * N);
  await markBusy(() => session.run(inputs, { y: tensor("float32", [N, N], y) }));
  return sha256Hex(new Uint8Array(y.buffer));
}

function fill(target: Float32Array, seed: number): Float32Array {
  for (let i = 0; i < target.length; i++) target[i] = ((Math.imul(i + seed, 2_654_435_761) >>> 8) / 2 ** 24 - 0.5) / 4;
  return target;
}

const plain = (workerData as { readonly plain?: { readonly scope: ScopeHandle; readonly links: number } }).plain;
if (plain === undefined)
  await serveWorker<ChainRun, ChainReply, "running">(async ({ data, scope, emit }) => {
    const session = await open(scope as ScopeHandle | undefined, (data as { readonly links: number }).links);
    return [
      {
        run: async ({ seed }) => {
          emit("running");
          return { kind: "run", sha256: await run(session, seed) };
        },
      },
      { onClose: () => session.dispose() },
    ];
  });
else {
  const session = await open(plain.scope, plain.links);
  parentPort!.postMessage("ready");
  for (;;) await run(session, 1);
}
