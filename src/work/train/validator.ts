/**
 * What an objective's figure needs of examples, under the weights as they are now and in the form they train in: a look
 * at progress, never a published figure.
 */
import { invariant } from "../../base/index.ts";
import type { Executor, Session } from "../../numeric/runtime/index.ts";
import type { TrainingMemory } from "./memory.ts";
import type { PhaseSetup } from "./messages.ts";
import { objectiveOf } from "./objectives/index.ts";
import type { Busy } from "./step.ts";
import { tokenCount } from "./training-data.ts";

const ROWS = 32;

export class Validator {
  readonly #setup: PhaseSetup;
  readonly #memory: TrainingMemory;
  readonly #executor: Executor;
  readonly #busy: Busy;
  #session: Promise<Session> | undefined;

  constructor(setup: PhaseSetup, memory: TrainingMemory, executor: Executor, busy: Busy) {
    this.#setup = setup;
    this.#memory = memory;
    this.#executor = executor;
    this.#busy = busy;
  }

  /** [examples, width], without dropout. Between steps only. */
  async numbers(examples: Int32Array): Promise<Float64Array> {
    const { data, phase } = this.#setup;
    const { validation } = objectiveOf(phase);
    invariant(validation !== undefined, `${phase.objective} has a figure`);
    this.#session ??= this.#busy(() =>
      this.#executor.load(validation.program(this.#setup), { form: "shared", weights: this.#memory.weights() }),
    );
    const session = await this.#session;
    const width = validation.width(this.#setup);
    const numbers = new Float64Array(examples.length * width);
    const order = Array.from(examples.keys()).sort(
      (a, b) => tokenCount(data, examples[a]!) - tokenCount(data, examples[b]!) || a - b,
    );
    for (let at = 0; at < order.length; at += ROWS) {
      const places = order.slice(at, at + ROWS);
      const batch = places.map((place) => examples[place]!);
      const { inputs, outputs } = validation.batch(this.#setup, batch);
      await this.#busy(() => session.run(inputs, outputs));
      const read = validation.read(this.#setup, batch, outputs);
      places.forEach((place, row) => {
        for (let i = 0; i < width; i++) numbers[place * width + i] = read[row * width + i]!;
      });
    }
    return numbers;
  }

  async dispose(): Promise<void> {
    await (await this.#session)?.dispose();
  }
}
