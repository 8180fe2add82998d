/**
 * The thread that a row check runs on: one version, one executor, and the comparisons that it is asked for, in order.
 */
import { setImmediate } from "node:timers/promises";
import { LockstepError } from "../../base/index.ts";
import { createExecutor, type Executor, type ScopeHandle } from "../../numeric/runtime/index.ts";
import { markBusy, serveWorker, type RequestContext, type WorkerContext } from "../../threads/pool/index.ts";
import { openControl } from "./control.ts";
import {
  compareBatches,
  mixedBatches,
  runAlone,
  slidingBatches,
  type Alone,
  type ComparedRuns,
  type RowRef,
  type RunRows,
} from "./invariance.ts";
import type { InvarianceEvent, InvarianceReply, InvarianceRequest, InvarianceSetup } from "./invariance-messages.ts";
import { joinRows } from "./joined.ts";
import { openPredictor, type Predictor } from "./predictor.ts";
import { readVersion } from "./version.ts";

await serveWorker<InvarianceRequest, InvarianceReply, InvarianceEvent>(
  async ({ data, emit, scope }: WorkerContext<InvarianceEvent>) => {
    const { files, executor: name, sets } = data as InvarianceSetup;
    const version = readVersion(files);
    const own = { scope: scope as ScopeHandle | undefined };
    const executor = await createExecutor(name, own);
    // what it would throw is to be reported, with its place
    const open = (on: Executor) => markBusy(() => openPredictor(version, on, { selfCheck: false }));
    const predictor = await open(executor);
    let alone: Alone = [];

    const runner =
      (on: Predictor): RunRows =>
      (rows) =>
        markBusy(() => on.run(rows));
    /** A turn of the event loop, in which a cancellation can arrive. */
    const reporter =
      ({ signal }: RequestContext) =>
      async (rows: number): Promise<void> => {
        emit({ rows });
        await setImmediate();
        if (signal.aborted) throw new LockstepError("CANCELLED", "the verification was cancelled");
      };
    const compare = (on: Predictor, batches: readonly RowRef[][], context: RequestContext): Promise<ComparedRuns> =>
      compareBatches(runner(on), sets, alone, batches, reporter(context));
    const briefly = async (other: Predictor, context: RequestContext): Promise<ComparedRuns> => {
      try {
        return await compare(
          other,
          [...sets.flatMap(({ rows }, set) => slidingBatches(set, rows.length, 1)), ...mixedBatches(sets, 1)],
          context,
        );
      } finally {
        await markBusy(() => other.dispose());
      }
    };

    return [
      {
        alone: async (_, context) => {
          alone = await runAlone(runner(predictor), sets, reporter(context));
          return { kind: "alone", profile: predictor.profile, sets: alone.map(joinRows) };
        },
        batches: async ({ set, windows }, context) => ({
          kind: "batches",
          ...(await compare(predictor, slidingBatches(set, sets[set]?.rows.length ?? 0, windows), context)),
        }),
        mixed: async ({ orders }, context) => ({
          kind: "mixed",
          ...(await compare(predictor, mixedBatches(sets, orders), context)),
        }),
        intraOp: async ({ threads }, context) => ({
          kind: "intraOp",
          ...(await briefly(await open(await createExecutor("native", { ...own, intraOpThreads: threads })), context)),
        }),
        control: async (_, context) => ({ kind: "control", ...(await controlled(context)) }),
      },
      { onClose: () => markBusy(() => predictor.dispose()) },
    ];

    /** Compared with the control's own rows alone: only the mates may make a difference. */
    async function controlled(context: RequestContext): Promise<ComparedRuns> {
      const control = await markBusy(() => openControl(version, executor));
      try {
        const own = await runAlone(runner(control), sets.slice(0, 1), reporter(context));
        return await compareBatches(
          runner(control),
          sets,
          own,
          slidingBatches(0, sets[0]?.rows.length ?? 0, 1),
          reporter(context),
        );
      } finally {
        await markBusy(() => control.dispose());
      }
    }
  },
);
