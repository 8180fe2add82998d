/** A replica's thread: loads one version from its bytes, packed, and runs batches until it is asked to end. */
import { createExecutor, type ScopeHandle } from "../../numeric/runtime/index.ts";
import { markBusy, serveWorker, Transferred } from "../../threads/pool/index.ts";
import { joinRows, openPredictor, readVersion } from "../infer/index.ts";
import type { ReplicaReply, ReplicaRequest, ReplicaSetup } from "./replica-messages.ts";

await serveWorker<ReplicaRequest, ReplicaReply>(async (context) => {
  const setup = context.data as ReplicaSetup;
  const scope = context.scope as ScopeHandle | undefined;
  const executor = await (setup.executor === "native"
    ? createExecutor("native", { scope, intraOpThreads: setup.intraOpThreads })
    : createExecutor("portable", { scope }));
  const version = readVersion(setup.files);
  const predictor = await markBusy(() =>
    openPredictor(version, executor, { ...setup.predictor, packed: setup.packed }),
  );
  const { profile } = predictor;
  return [
    {
      describe: () => ({ kind: "describe", profile }),
      run: async ({ rows }) => {
        const joined = joinRows(await markBusy(() => predictor.run(rows)));
        return new Transferred({ kind: "run", ...joined }, [joined.values.buffer]);
      },
    },
    { onClose: () => markBusy(() => predictor.dispose()) },
  ];
});
