/**
 * Which examples a step trains on, and in which shard each of them is: a function of (recipe, data, step) alone. Every
 * worker works it out by itself, so nothing has to be sent, and no order of messages can change it.
 */
import { invariant, type Seed } from "../../base/index.ts";
import { planEpoch, shardBatch } from "../../language/data/index.ts";
import { tokenCount, type TrainingData } from "./training-data.ts";

export interface PlanOptions {
  readonly batchSize: number;
  readonly shards: number;
  readonly epochs: number;
  readonly seed: Seed;
}

export interface StepPlan {
  readonly epoch: number;
  /** Example ids by shard; a shard may be empty. */ readonly shards: readonly Int32Array[];
}

export class TrainingPlan {
  readonly steps: number;
  readonly stepsPerEpoch: number;
  readonly #data: TrainingData;
  readonly #options: PlanOptions;
  readonly #lengthOf: (epoch: number, example: number) => number;
  #lengths = new Int32Array(0);
  #epoch = -1;
  #batches: readonly Int32Array[] = [];

  /** `lengthOf`: tokens of an example in an epoch. @default all of its tokens */
  constructor(
    data: TrainingData,
    options: PlanOptions,
    lengthOf: (epoch: number, example: number) => number = (_, example) => tokenCount(data, example),
  ) {
    this.#data = data;
    this.#options = options;
    this.#lengthOf = lengthOf;
    this.stepsPerEpoch = Math.ceil(data.examples.length / options.batchSize);
    this.steps = this.stepsPerEpoch * options.epochs;
  }

  step(step: number): StepPlan {
    invariant(step >= 0 && step < this.steps, `step ${step} of ${this.steps}`);
    const epoch = Math.floor(step / this.stepsPerEpoch);
    const batch = this.#batchesOf(epoch)[step % this.stepsPerEpoch];
    invariant(batch !== undefined, `epoch ${epoch} has no batch for step ${step}`);
    const shards = shardBatch(batch, this.#lengths, this.#options.shards);
    return { epoch, shards: shards.map((shard) => shard.map((place) => this.#data.examples[place]!)) };
  }

  #batchesOf(epoch: number): readonly Int32Array[] {
    if (epoch !== this.#epoch) {
      this.#lengths = this.#data.examples.map((example) => this.#lengthOf(epoch, example));
      this.#batches = planEpoch({
        lengths: this.#lengths,
        batchSize: this.#options.batchSize,
        seed: this.#options.seed,
        epoch,
      });
      this.#epoch = epoch;
    }
    return this.#batches;
  }
}

/**
 * The most shards, a power of two, that leave each at least 256 tokens; two at least, so that two threads have work.
 */
export function defaultShards(data: TrainingData, batchSize: number): number {
  const { rowsEach = 1 } = data;
  const tokens = data.examples.reduce((sum, example) => sum + rowsEach * tokenCount(data, example), 0);
  const perBatch = (tokens / data.examples.length) * batchSize;
  let shards = batchSize >= 4 ? 2 : 1;
  while (perBatch / (shards * 2) >= 256) shards *= 2;
  return shards;
}
