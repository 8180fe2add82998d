/** A training worker: loads the gradient program over shared weights, then trains the steps it is told to. */
import { markBusy, serveWorker, type WorkerContext } from "../../threads/pool/index.ts";
import type { ScopeHandle } from "../../numeric/runtime/index.ts";
import { ThreadCollective } from "../../threads/collective/index.ts";
import { trainingExecutor } from "./executor.ts";
import { TrainingMemory } from "./memory.ts";
import type { PhaseSetup, StepReport, TrainReply, TrainRequest } from "./messages.ts";
import { StepRunner } from "./step.ts";
import { Validator } from "./validator.ts";

await serveWorker<TrainRequest, TrainReply, StepReport>(
  async ({ index, data, emit, scope }: WorkerContext<StepReport>) => {
    const setup = data as PhaseSetup;
    const memory = TrainingMemory.attach(setup.segments, setup.memory);
    const collective = ThreadCollective.attach(setup.collective, index);
    const executor = await trainingExecutor(setup.executor, scope as ScopeHandle | undefined);
    const runner = await markBusy(() => StepRunner.open(setup, memory, collective, executor, markBusy));
    const validator = new Validator(setup, memory, executor, markBusy);
    return [
      {
        steps: async ({ from, to }) => {
          await runner.steps(from, to, (report) => {
            if (index === 0) emit(report);
          });
          return { kind: "steps" };
        },
        validate: async ({ examples }) => ({ kind: "validate", numbers: await validator.numbers(examples) }),
      },
      {
        onClose: async () => {
          await markBusy(() => runner.dispose());
          await markBusy(() => validator.dispose());
        },
      },
    ];
  },
);
