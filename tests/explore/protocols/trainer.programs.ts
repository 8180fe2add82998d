/**
 * The trainer's steps on several explored threads: its own code over its own memory. What they leave has the bits of
 * one worker; a twin that lacks a barrier races. Also steps whose shards know of each other (two programs a step), and
 * steps whose weights a coordinator is asked for.
 */
import assert from "node:assert/strict";
import { isLockstepError } from "../../../src/base/index.ts";
import {
  ThreadCollective,
  ThreadCoordinator,
  type Collective,
  type ReduceJob,
  type SlotRef,
} from "../../../src/threads/collective/index.ts";
import { program } from "../../../src/threads/explore/index.ts";
import { Barrier } from "../../../src/threads/sync/index.ts";
import type { PhaseSetup } from "../../../src/work/train/messages.ts";
import { askedWeights, type AskedWeights, type ShardWeightFunction } from "../../../src/work/train/weight-function.ts";
import { laterMore, smallSetup, stateBits, train, type MakeCollective, type TrainingSize } from "./trainer.ts";

interface Alone {
  readonly bits: string;
  readonly reports: string;
}

/** What one worker makes of it. */
async function alone(size: Omit<TrainingSize, "workers">, steps = size.epochs): Promise<Alone> {
  const setup = smallSetup({ ...size, workers: 1 });
  const reports = await train(setup, 0, steps, size.kind === "asked" ? { collective: asksItself } : {});
  return { bits: stateBits(setup), reports: JSON.stringify(reports) };
}

function asked(setup: PhaseSetup, weigh: ShardWeightFunction = laterMore): AskedWeights {
  return askedWeights({ ...setup, name: "1/1 classify" }, setup.exchange, { "later-more": weigh })!;
}

/** Hands on to a collective of threads; twins leave something out. */
abstract class Meetings implements Collective {
  readonly rank: number;
  readonly size: number;
  protected readonly whole: Collective;

  constructor({ collective }: PhaseSetup, rank: number) {
    this.whole = ThreadCollective.attach(collective, rank);
    this.rank = rank;
    this.size = collective.size;
  }

  arrive(): Promise<void> {
    return this.whole.arrive();
  }
  reduce(job: ReduceJob): Promise<SlotRef | null> {
    return this.whole.reduce(job);
  }
  consult(): Promise<void> {
    return this.whole.consult();
  }
  abort(): void {
    this.whole.abort("INTERNAL");
  }
}

/** One worker alone is its own coordinator. */
class AsksItself extends Meetings {
  readonly #asked: AskedWeights;
  #step = 0;

  constructor(setup: PhaseSetup, rank: number) {
    super(setup, rank);
    this.#asked = asked(setup);
  }

  override async consult(): Promise<void> {
    this.#asked.answer(this.#step++);
  }
}
const asksItself: MakeCollective = (setup, rank) => new AsksItself(setup, rank);

const EXPECTED = {
  once: await alone({ shards: 2, epochs: 1 }),
  twice: await alone({ shards: 2, epochs: 2 }),
  four: await alone({ shards: 4, epochs: 1 }),
  contrastive: await alone({ shards: 2, epochs: 2, kind: "contrastive" }),
  asked: await alone({ shards: 2, epochs: 2, kind: "asked" }),
  askedOnce: await alone({ shards: 2, epochs: 2, kind: "asked" }, 1),
};

function training(size: TrainingSize, expected: Alone, collective?: MakeCollective) {
  return program<PhaseSetup>(import.meta.url, {
    title: `${size.workers} workers train ${size.epochs} step${size.epochs > 1 ? "s" : ""} of ${size.shards} shards`,
    setup: () => smallSetup(size),
    threads: Array.from(
      { length: size.workers },
      (_, rank) => (setup: PhaseSetup) =>
        train(setup, rank, size.epochs, collective === undefined ? {} : { collective }),
    ),
    check: (setup, { results }) => {
      for (const reports of results) assert.equal(JSON.stringify(reports), expected.reports);
      assert.equal(stateBits(setup), expected.bits, "the weights or the optimizer's state are not those of one worker");
    },
  });
}

export const once = training({ workers: 2, shards: 2, epochs: 1 }, EXPECTED.once);
export const twice = training({ workers: 2, shards: 2, epochs: 2 }, EXPECTED.twice);
export const four = training({ workers: 2, shards: 4, epochs: 1 }, EXPECTED.four);
/** One worker of three has two shards. */
export const uneven = training({ workers: 3, shards: 4, epochs: 1 }, EXPECTED.four);

/** Leaves out one of the barriers of a step, which has so many. */
class LeavesOut extends Meetings {
  readonly #barrier: number;
  readonly #barriers: number;
  #arrivals = 0;

  constructor(setup: PhaseSetup, rank: number, barrier: number, barriers: number) {
    super(setup, rank);
    this.#barrier = barrier;
    this.#barriers = barriers;
  }

  override async arrive(): Promise<void> {
    if (this.#arrivals++ % this.#barriers !== this.#barrier) await super.arrive();
  }
}

const leavesOut = (barrier: number) =>
  training(
    { workers: 2, shards: 2, epochs: 2 },
    EXPECTED.twice,
    (setup, rank) => new LeavesOut(setup, rank, barrier, 3),
  );

/** The whole batch's rows are shared before the gradients: two programs a step, a barrier between them. */
const CONTRASTIVE = { workers: 2, shards: 2, epochs: 2, kind: "contrastive" } as const;
export const contrastive = training(CONTRASTIVE, EXPECTED.contrastive);

/** Goes on from a consultation before the coordinator has answered, and comes to the rest of it with the next one. */
class GoesOnEarly extends Meetings {
  readonly #consultation: Barrier;

  constructor(setup: PhaseSetup, rank: number) {
    super(setup, rank);
    this.#consultation = Barrier.attach(setup.collective.consultation!);
  }

  override async consult(): Promise<void> {
    this.#consultation.wait();
  }
  override async reduce(job: ReduceJob): Promise<SlotRef | null> {
    this.#consultation.wait();
    return await super.reduce(job);
  }
}

type Coordinate = (setup: PhaseSetup, asked: AskedWeights, step: number) => Promise<void>;

const coordinate: Coordinate = ({ collective }, own, step) =>
  ThreadCoordinator.attach(collective).answer(() => own.answer(step));

/** Answers before all members have come. */
const answersEarly: Coordinate = ({ collective }, own, step) => {
  own.answer(step);
  return ThreadCoordinator.attach(collective).answer(() => {});
};

/** Two workers, and the one who is asked; null: it was given up there, as it is told. */
function consulting(
  steps: number,
  {
    coordinator = coordinate,
    collective,
    weigh,
  }: {
    readonly coordinator?: Coordinate;
    readonly collective?: MakeCollective;
    readonly weigh?: ShardWeightFunction;
  } = {},
) {
  const size = { workers: 2, shards: 2, epochs: steps, kind: "asked" } as const;
  const outcome = async (work: () => Promise<unknown>): Promise<string> => {
    try {
      return JSON.stringify(await work());
    } catch (thrown) {
      if (!isLockstepError(thrown)) throw thrown;
      return thrown.code;
    }
  };
  return {
    setup: () => smallSetup(size),
    threads: [
      ...[0, 1].map(
        (rank) => (setup: PhaseSetup) =>
          outcome(() => train(setup, rank, steps, collective === undefined ? {} : { collective })),
      ),
      (setup: PhaseSetup) =>
        outcome(async () => {
          try {
            const own = asked(setup, weigh);
            for (let step = 0; step < steps; step++) await coordinator(setup, own, step);
            return "answered";
          } catch (thrown) {
            ThreadCollective.attach(setup.collective, 0).abort("INTERNAL");
            throw thrown;
          }
        }),
    ],
  };
}

function wholly(title: string, made: ReturnType<typeof consulting>) {
  return program<PhaseSetup>(import.meta.url, {
    title,
    ...made,
    check: (setup, { results }) => {
      assert.deepEqual(results, [EXPECTED.asked.reports, EXPECTED.asked.reports, '"answered"']);
      assert.equal(stateBits(setup), EXPECTED.asked.bits, "the state is not that of one worker that asks itself");
    },
  });
}

export const consulted = wholly("two workers ask for the weights of two steps", consulting(2));

/** What is asked fails at the second step: both workers are told, and the first step is whole. */
export const consultationFails = program<PhaseSetup>(import.meta.url, {
  title: "who is asked for weights fails",
  ...consulting(2, {
    weigh: (figures) => {
      if (figures.step === 1) throw new RangeError("this was to fail");
      return laterMore(figures);
    },
  }),
  check: (setup, { results }) => {
    assert.deepEqual(results, ["INTERNAL", "INTERNAL", "CALLBACK_FAILED"]);
    assert.equal(stateBits(setup), EXPECTED.askedOnce.bits, "the state is not that after the first step");
  },
});

/** A worker, or who is asked, dies at any instruction: nobody waits for ever, and a step that is told of is whole. */
export const consultationDeath = program<PhaseSetup>(import.meta.url, {
  title: "a worker or who is asked for weights may die",
  ...consulting(1),
  supervise: ({ collective }) => {
    ThreadCollective.attach(collective, 0).threadDied();
  },
  check: (_, { results, died }) => {
    const living = results.filter((_result, thread) => !died.includes(thread)) as string[];
    for (const result of living)
      assert.ok(
        result.startsWith("[") || result === '"answered"' || (died.length > 0 && result === "WORKER_DIED"),
        result,
      );
  },
});

export const twins = {
  afterGradients: leavesOut(0),
  afterReduction: leavesOut(1),
  afterUpdate: leavesOut(2),
  afterSharedRows: training(CONTRASTIVE, EXPECTED.contrastive, (setup, rank) => new LeavesOut(setup, rank, 0, 4)),
  answersEarly: wholly("weights are given before all workers have come", consulting(2, { coordinator: answersEarly })),
  goesOnEarly: wholly(
    "workers go on before weights are given",
    consulting(2, { collective: (setup, rank) => new GoesOnEarly(setup, rank) }),
  ),
};

/** The run of the last shard fails: its worker says why, the others that they gave up, and no weight has changed. */
export const failure = program<PhaseSetup>(import.meta.url, {
  title: "the run of one worker's shard fails",
  setup: () => smallSetup({ workers: 2, shards: 2, epochs: 1 }),
  threads: [0, 1].map((rank) => async (setup: PhaseSetup): Promise<string> => {
    try {
      await train(setup, rank, 1, { fails: 1 });
      return "trained";
    } catch (thrown) {
      if (thrown instanceof RangeError) return "failed";
      if (!isLockstepError(thrown)) throw thrown;
      return thrown.code;
    }
  }),
  check: (setup, { results }) => {
    assert.deepEqual(results, ["INTERNAL", "failed"]);
    assert.equal(stateBits(setup), stateBits(smallSetup({ workers: 1, shards: 2, epochs: 1 })));
  },
});

/** A worker dies at any instruction: the others end, and the steps that they tell of are whole. */
export const death = program<PhaseSetup>(import.meta.url, {
  title: "a training worker may die",
  setup: () => smallSetup({ workers: 2, shards: 2, epochs: 1 }),
  threads: [0, 1].map((rank) => async (setup: PhaseSetup): Promise<string> => {
    try {
      return JSON.stringify(await train(setup, rank, 1));
    } catch (thrown) {
      if (!isLockstepError(thrown)) throw thrown;
      return thrown.code;
    }
  }),
  supervise: ({ collective }) => {
    ThreadCollective.attach(collective, 0).threadDied();
  },
  check: (setup, { results, died }) => {
    const living = results.filter((_, rank) => !died.includes(rank));
    for (const result of living)
      assert.ok(result === EXPECTED.once.reports || (died.length > 0 && result === "WORKER_DIED"), String(result));
    if (living.includes(EXPECTED.once.reports)) assert.equal(stateBits(setup), EXPECTED.once.bits);
  },
});
