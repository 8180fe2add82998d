/**
 * One phase of a training on k worker threads: memory, workers, and the loop that tells them how far to go. Between two
 * requests no worker runs, so state is saved and hashed there; how many steps a request covers follows the clock, and
 * decides nothing.
 */
import { createHash } from "node:crypto";
import { invariant, LockstepError, toLockstepError, ownFile } from "../../base/index.ts";
import { modelParameters, type ParameterInfo } from "../../language/models/index.ts";
import { nativeScopes } from "../../numeric/runtime/index.ts";
import type { HostTensor } from "../../numeric/tensor/index.ts";
import { ThreadCollective, ThreadCoordinator } from "../../threads/collective/index.ts";
import { createPool, type Pool, type WorkerScope } from "../../threads/pool/index.ts";
import { planSegments } from "./layout.ts";
import type { TrainingMemory } from "./memory.ts";
import type { StepReport, TrainReply, TrainRequest } from "./messages.ts";
import type { Exchange } from "./exchange.ts";
import { objectiveOf, type Figure, type ModelContext, type PhaseRecipe } from "./objectives/index.ts";
import { TrainingPlan } from "./plan.ts";
import type { Context } from "./program.ts";
import { createSetup } from "./setup.ts";
import { askedWeights, type AskedWeights, type ShardWeightFunctions } from "./weight-function.ts";

export interface PhaseOptions extends Context {
  /** For people: its place and its objective. */
  readonly name: string;
  readonly executor: "native" | "portable";
  readonly threads: number;
  /** First values by parameter name; every parameter has one. */
  readonly weights: ReadonlyMap<string, HostTensor<"float32">>;
  readonly onStep: (report: StepReport) => void;
  /** Functions of weights of shards by name; the one that the phase's recipe names is among them. */
  readonly shardWeights?: ShardWeightFunctions | undefined;
}

export class Phase {
  readonly name: string;
  readonly steps: number;
  readonly stepsPerEpoch: number;
  readonly parameters: readonly ParameterInfo[];
  readonly #context: Context;
  readonly #memory: TrainingMemory;
  readonly #exchange: Exchange;
  readonly #collective: ThreadCollective;
  /** Where the weights of shards are asked for. */
  readonly #asked: { readonly coordinator: ThreadCoordinator; readonly weights: AskedWeights } | undefined;
  #trained = false;
  readonly #pool: Pool<TrainRequest, TrainReply>;

  /** `scope`: makes what each worker has in native code; see `nativeScopes`. */
  private constructor(options: PhaseOptions, scope: (() => WorkerScope) | undefined) {
    const { plan, data } = options;
    const schedule = new TrainingPlan(data, plan);
    this.name = options.name;
    this.steps = schedule.steps;
    this.stepsPerEpoch = schedule.stepsPerEpoch;
    this.parameters = Phase.parametersOf(options);
    const { setup, memory } = createSetup({
      ...options,
      workers: options.threads,
      segments: planSegments(this.parameters),
    });
    this.#context = options;
    this.#memory = memory;
    this.#exchange = setup.exchange;
    this.#collective = ThreadCollective.attach(setup.collective, 0);
    const weights = askedWeights(options, setup.exchange, options.shardWeights);
    this.#asked =
      weights === undefined ? undefined : { coordinator: ThreadCoordinator.attach(setup.collective), weights };
    this.#load(options.weights);
    this.#pool = createPool<TrainRequest, TrainReply, StepReport>({
      entry: ownFile(() => import.meta.resolve("#entry/work/train/worker")),
      size: options.threads,
      name: options.name,
      workerData: setup,
      scope,
      onEvent: (_, report) => {
        options.onStep(report);
      },
      onDeath: () => {
        this.#collective.threadDied();
      },
    });
  }

  static parametersOf(context: ModelContext<PhaseRecipe>): readonly ParameterInfo[] {
    const objective = objectiveOf(context.phase);
    return [...modelParameters(context.config, objective.head(context)), ...(objective.parameters?.(context) ?? [])];
  }

  static async open(options: PhaseOptions): Promise<Phase> {
    const phase = new Phase(options, await nativeScopes(options.executor));
    try {
      await phase.#pool.ready();
    } catch (thrown) {
      await phase.close();
      throw thrown;
    }
    return phase;
  }

  /**
   * Steps from..to-1 on every worker, and the step that comes next: `to`, or an earlier one if `signal` was aborted
   * meanwhile. What was begun of that one is void, and no more can be trained in this phase. When a worker fails, the
   * others give up: its own error is the one to report, whichever comes first. @throws CALLBACK_FAILED with the step
   * as `details.step`: where the training stands, and with what state, as after an interruption
   */
  async train(from: number, to: number, signal?: AbortSignal): Promise<number> {
    this.#trained = true;
    const workers = Array.from({ length: this.#pool.size }, async (_, worker) => {
      try {
        await this.#pool.request(worker, { kind: "steps", from, to }, signal === undefined ? {} : { signal });
      } catch (thrown) {
        this.#collective.abort("INTERNAL"); // it may not even have begun, and the others wait for it
        throw thrown;
      }
    });
    const answers = this.#asked === undefined ? [] : [this.#answer(from, to)];
    const failures = (await Promise.allSettled([...workers, ...answers])).flatMap((end) =>
      end.status === "rejected" ? [toLockstepError(end.reason)] : [],
    );
    const failure = failures.find(({ details }) => details["waitedFor"] === undefined) ?? failures[0];
    if (failure === undefined) return to;
    if (failure.code !== "CANCELLED") throw failure;
    return Math.max(from, ...failures.map(({ details }) => Number(details["step"] ?? from)));
  }

  /** The weights of steps from..to-1, each when the workers ask for it. */
  async #answer(from: number, to: number): Promise<void> {
    const { coordinator, weights } = this.#asked!;
    try {
      for (let step = from; step < to; step++) await coordinator.answer(() => weights.answer(step));
    } catch (thrown) {
      this.#collective.abort("INTERNAL");
      throw thrown;
    }
  }

  /** The objective's figure over the examples; undefined where it has none. CANCELLED where `signal` was aborted. */
  async validate(examples: Int32Array, signal?: AbortSignal): Promise<Figure | undefined> {
    const { validation } = objectiveOf(this.#context.phase);
    if (validation === undefined || examples.length === 0) return undefined;
    if (validation.applies?.(this.#context.phase) === false) return undefined;
    const size = this.#pool.size;
    const replies = await Promise.all(
      Array.from({ length: size }, (_, worker) => {
        const part = examples.slice(
          Math.floor((worker * examples.length) / size),
          Math.floor(((worker + 1) * examples.length) / size),
        );
        return this.#pool.request(worker, { kind: "validate", examples: part }, signal === undefined ? {} : { signal });
      }),
    );
    const numbers = Float64Array.from(replies.flatMap((reply) => Array.from(reply.numbers)));
    const { name, further } = validation;
    return {
      name,
      value: validation.figure(numbers, this.#context),
      ...(further === undefined ? {} : { further: further(numbers) }),
    };
  }

  /** Copies of the parameters. */
  weights(): Map<string, HostTensor<"float32">> {
    return new Map(
      Object.entries(this.#memory.weights()).map(([name, { shape, data }]) => [
        name,
        { dtype: "float32" as const, shape, data: Float32Array.from(data) },
      ]),
    );
  }

  /** Weights, moments and what weights of shards remember, as they lie in shared memory; between steps only. */
  state(): ReadonlyMap<string, Uint8Array> {
    const { remembered } = this.#exchange;
    const all: (readonly [string, Float32Array | Float64Array])[] = [...this.#memory.state()];
    if (remembered.length > 0) all.push(["shard_weights", remembered]);
    return new Map(
      all.map(([name, { buffer, byteOffset, byteLength }]) => [name, new Uint8Array(buffer, byteOffset, byteLength)]),
    );
  }

  /**
   * Goes on from a saved state; before the first step only, when workers look which rows have moments. @throws
   * CHECKPOINT_INVALID where it is not one of this model's.
   */
  restore(saved: ReadonlyMap<string, Uint8Array>): void {
    invariant(!this.#trained, "a state is restored before the first step");
    for (const [name, target] of this.state()) {
      const source = saved.get(name);
      if (source?.byteLength !== target.byteLength)
        throw new LockstepError(
          "CHECKPOINT_INVALID",
          `the checkpoint's ${name} has ${source?.byteLength ?? 0} bytes, but this model's has ` +
            `${target.byteLength}; start again without resuming`,
          { buffer: name },
        );
      target.set(source);
    }
  }

  /** SHA-256 over weights and optimizer state; between steps only. */
  stateDigest(): string {
    const hash = createHash("sha256");
    for (const [name, bytes] of this.state()) hash.update(`${name} ${bytes.byteLength}\n`).update(bytes);
    return hash.digest("hex");
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  #load(weights: ReadonlyMap<string, HostTensor<"float32">>): void {
    for (const [name, { data }] of Object.entries(this.#memory.weights())) {
      const first = weights.get(name);
      invariant(first !== undefined, `parameter ${name} has a first value`);
      data.set(first.data);
    }
  }
}
