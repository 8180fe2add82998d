/**
 * The teacher of a phase that is asked in every step, on one worker: its weights are shared by all of them and change
 * nowhere. What it gives a shard is a function of that shard's rows.
 */
import { invariant } from "../../base/index.ts";
import type { Executor, Session } from "../../numeric/runtime/index.ts";
import type { HostTensor } from "../../numeric/tensor/index.ts";
import type { PhaseSetup } from "./messages.ts";
import { objectiveOf, type PhaseContext, type PhaseRecipe, type ShardKey } from "./objectives/index.ts";

export class TeacherRunner {
  readonly #session: Session;
  /** The phase as it is for the teacher. */
  readonly #context: PhaseContext<PhaseRecipe>;

  private constructor(session: Session, context: PhaseContext<PhaseRecipe>) {
    this.#session = session;
    this.#context = context;
  }

  /** Undefined where the phase asks no teacher in its steps. */
  static async open(setup: PhaseSetup, executor: Executor): Promise<TeacherRunner | undefined> {
    const { phase, teacher } = setup;
    const { teaching } = objectiveOf(phase);
    if (teaching === undefined || !teaching.isUsed(phase) || teaching.before(phase) !== undefined) return undefined;
    invariant(teacher !== undefined && teaching.inSteps !== undefined, `${phase.objective} has a teacher`);
    const context = { ...setup, config: teacher.config };
    const program = teaching.inSteps.program(context);
    return new TeacherRunner(await executor.load(program, { form: "shared", weights: teacher.weights }), context);
  }

  /** Inputs of the loss program. */
  async ask(examples: Int32Array, key: ShardKey): Promise<Record<string, HostTensor>> {
    const { inSteps } = objectiveOf(this.#context.phase).teaching!;
    const { inputs, outputs } = inSteps!.batch(this.#context, examples, key);
    await this.#session.run(inputs, outputs);
    return outputs;
  }

  dispose(): Promise<void> {
    return this.#session.dispose();
  }
}
