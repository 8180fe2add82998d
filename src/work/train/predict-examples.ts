/**
 * Classes of examples under the weights as they are now, in the form they train in: a look at progress, never a
 * published figure.
 */
import { paddedLength } from "../../base/index.ts";
import { batchInputs, modelGraph } from "../../language/models/index.ts";
import type { Executor, Session } from "../../numeric/runtime/index.ts";
import { tensor } from "../../numeric/tensor/index.ts";
import type { TrainingMemory } from "./memory.ts";
import type { PhaseSetup } from "./messages.ts";
import { headOf } from "./objectives.ts";
import { tokenCount } from "./plan.ts";
import type { Busy } from "./step.ts";

const ROWS = 32;

export class ExamplePredictor {
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

  /** Likeliest class of each example, without dropout. Between steps only. */
  async classes(examples: Int32Array): Promise<Int32Array> {
    const { data, objective } = this.#setup;
    if (objective.kind !== "classify") return new Int32Array(examples.length);
    this.#session ??= this.#busy(() =>
      this.#executor.load(modelGraph(this.#setup.config, headOf(objective)), {
        form: "shared",
        weights: this.#memory.weights(),
      }),
    );
    const session = await this.#session;
    const best = new Int32Array(examples.length);
    const order = Array.from(examples.keys()).sort(
      (a, b) => tokenCount(data, examples[a]!) - tokenCount(data, examples[b]!) || a - b,
    );
    for (let at = 0; at < order.length; at += ROWS) {
      const places = order.slice(at, at + ROWS);
      const logits = await this.#logits(
        session,
        places.map((place) => examples[place]!),
        objective.labels,
      );
      places.forEach((place, row) => {
        best[place] = argmax(logits.subarray(row * objective.labels, (row + 1) * objective.labels));
      });
    }
    return best;
  }

  /** [max(2, examples), classes] */
  async #logits(session: Session, examples: readonly number[], classes: number): Promise<Float32Array> {
    const { data, special, objective } = this.#setup;
    const rows = examples.map((example) => ({
      ids: data.ids.subarray(data.offsets[example], data.offsets[example + 1]),
    }));
    const tokens = paddedLength(Math.max(2, ...rows.map((row) => row.ids.length)));
    const B = Math.max(2, rows.length);
    const logits = new Float32Array(B * classes);
    const inputs = batchInputs(rows, this.#setup.config, headOf(objective), {
      tokens,
      padId: special.pad,
      real: "float32",
    });
    await this.#busy(() => session.run(inputs, { logits: tensor("float32", [B, classes], logits) }));
    return logits;
  }

  async dispose(): Promise<void> {
    await (await this.#session)?.dispose();
  }
}

function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
