/**
 * The collective as the trainer uses it, over real shared slots: sums in tree order, consultations, members that fail,
 * a supervisor that gives up for all; and twins without a barrier.
 */
import assert from "node:assert/strict";
import { isLockstepError } from "../../../src/base/index.ts";
import {
  assignShards,
  FoldStack,
  ThreadCollective,
  ThreadCoordinator,
  type Collective,
  type ReduceJob,
  type SlotRef,
  type ThreadCollectiveHandle,
} from "../../../src/threads/collective/index.ts";
import { program, type Ended, type ThreadContext } from "../../../src/threads/explore/index.ts";
import { sliceOf } from "../../collective/slice.ts";

type Slots = Float32Array | Float64Array;
interface State {
  readonly collective: ThreadCollectiveHandle;
  readonly slots: Slots;
}
class Failed extends Error {}

type Attach = (handle: ThreadCollectiveHandle, rank: number) => Collective;

const SHARDS = 4,
  SLOTS = 3,
  ELEMENTS = 3;
const attach = (handle: ThreadCollectiveHandle, rank: number): ThreadCollective =>
  ThreadCollective.attach(handle, rank);

/** Shard 1 of the second step has nothing. */
const weights = (step: number): readonly number[] => (step === 1 ? [1, 0, 1, 1] : [1, 1, 1, 1]);

/** Of such sizes that every order of additions has a sum of its own. */
function gradient(step: number, shard: number, element: number): number {
  return [1, 2 ** 24, -(2 ** 24), 2 ** -20][(shard + step) % SHARDS]! + element;
}

/** The tree's definition, in one thread. */
function treeSum(Kind: new (length: number) => Slots, step: number, element: number): number {
  const cell = new Kind(1);
  const rounded = (value: number): number => {
    cell[0] = value;
    return cell[0];
  };
  const of = (level: number, index: number): number | null => {
    if (level === 0) return weights(step)[index] === 0 ? null : rounded(gradient(step, index, element));
    const [left, right] = [of(level - 1, 2 * index), of(level - 1, 2 * index + 1)];
    return left === null || right === null ? (left ?? right) : rounded(left + right);
  };
  return of(Math.log2(SHARDS), 0)!;
}

function slotOf(slots: Slots, worker: number, slot: number): Slots {
  const from = (worker * SLOTS + slot) * ELEMENTS;
  return slots.subarray(from, from + ELEMENTS);
}

function addOnto(dst: Slots, src: Slots): void {
  for (let i = 0; i < dst.length; i++) dst[i] = dst[i]! + src[i]!;
}

/** One step: the caller's shards, the caller's slice of the sum, and then all of the sum. */
async function reduceStep(collective: Collective, slots: Slots, step: number): Promise<readonly number[]> {
  const { rank, size } = collective;
  const ranges = assignShards(SHARDS, size);
  const fold = new FoldStack(ranges[rank]!, SHARDS);
  for (let shard = fold.next; shard !== null; shard = fold.next) {
    const skipped = weights(step)[shard] === 0;
    if (!skipped) {
      const target = slotOf(slots, rank, fold.begin());
      for (let i = 0; i < ELEMENTS; i++) target[i] = gradient(step, shard, i);
    }
    for (const { dst, src } of skipped ? fold.skip() : fold.finish())
      addOnto(slotOf(slots, rank, dst), slotOf(slots, rank, src));
  }
  const { from, to } = sliceOf(ELEMENTS, 1, size, rank);
  const slice = ({ worker, slot }: SlotRef): Slots => slotOf(slots, worker, slot).subarray(from, to);
  const root = await collective.reduce({
    ranges,
    weights: weights(step),
    add: ({ dst, src }) => addOnto(slice(dst), slice(src)),
  });
  await collective.arrive();
  const sum = Array.from(slotOf(slots, root!.worker, root!.slot));
  await collective.arrive();
  return sum;
}

const setup = (members: number, Kind: new (buffer: SharedArrayBuffer) => Slots, bytes: number) => (): State => ({
  collective: ThreadCollective.create(members),
  slots: new Kind(new SharedArrayBuffer(members * SLOTS * ELEMENTS * bytes)),
});

function reduction(members: number, kind: "float32" | "float64", steps: number, attached: Attach = attach) {
  const Kind = kind === "float32" ? Float32Array : Float64Array;
  const expected = Array.from({ length: steps }, (_, step) =>
    Array.from({ length: ELEMENTS }, (_sum, element) => treeSum(Kind, step, element)),
  );
  return program<State>(import.meta.url, {
    title: `${members} members reduce ${steps} times in ${kind}`,
    setup: setup(members, Kind, Kind.BYTES_PER_ELEMENT),
    threads: Array.from({ length: members }, (_, rank) => async ({ collective, slots }: State) => {
      const own = attached(collective, rank);
      const sums: (readonly number[])[] = [];
      for (let step = 0; step < steps; step++) sums.push(await reduceStep(own, slots, step));
      return sums;
    }),
    check: (_, { results }) => {
      for (const sums of results) assert.deepEqual(sums, expected);
    },
  });
}

/** A collective in which one kind of meeting is left out. */
class WithoutBarrier implements Collective {
  readonly rank: number;
  readonly size: number;
  readonly #whole: Collective;
  readonly #without: "reduce" | "second" | "third";
  #arrivals = 0;

  constructor(handle: ThreadCollectiveHandle, rank: number, without: "reduce" | "second" | "third") {
    this.#whole = attach(handle, rank);
    this.rank = rank;
    this.size = handle.size;
    this.#without = without;
  }

  async arrive(): Promise<void> {
    const left = this.#without === "second" ? 0 : 1;
    if (this.#without !== "reduce" && this.#arrivals++ % 2 === left) return;
    await this.#whole.arrive();
  }

  reduce(job: ReduceJob): Promise<SlotRef | null> {
    if (this.#without !== "reduce") return this.#whole.reduce(job);
    return ThreadCollective.attach(ThreadCollective.create(1), 0).reduce(job);
  }

  consult(): Promise<void> {
    return this.#whole.consult();
  }
  abort(): void {}
}

/** What became of a member: how many meetings it passed, and what it was told. */
interface Passed {
  readonly passed: number;
  readonly told: string | null;
}

/** Meets `times` times; `before` may fail. As the trainer's worker does, whoever fails gives up for all. */
async function meet(
  handle: ThreadCollectiveHandle,
  rank: number,
  times: number,
  before: (time: number) => void = () => {},
): Promise<Passed> {
  const collective = attach(handle, rank);
  let passed = 0;
  try {
    for (; passed < times; passed++) {
      before(passed);
      await collective.arrive();
    }
    return { passed, told: null };
  } catch (thrown) {
    collective.abort("INTERNAL");
    if (!isLockstepError(thrown)) throw thrown;
    return { passed, told: thrown.code };
  }
}

/** What does not return here is a fault of its own. */
async function failing(handle: ThreadCollectiveHandle, rank: number, at: number): Promise<Passed> {
  let passed = 0;
  try {
    await meet(handle, rank, at + 1, (time) => {
      passed = time;
      if (time === at) throw new Failed();
    });
  } catch (thrown) {
    if (!(thrown instanceof Failed)) throw thrown;
  }
  return { passed, told: "INTERNAL" };
}

const allAlike =
  (members: number, told: string) =>
  (_: unknown, { results, died }: Ended): void => {
    const living = (results as readonly (Passed | undefined)[])
      .slice(0, members)
      .filter((_result, thread) => !died.includes(thread));
    const first = living[0]!;
    for (const each of living) assert.deepEqual(each, first, "a meeting was passed by some members and not by others");
    assert.ok(first.told === null || first.told === told, `the members were told ${first.told}`);
  };

interface Meeting {
  readonly collective: ThreadCollectiveHandle;
}
const meeting = (members: number) => (): Meeting => ({ collective: ThreadCollective.create(members) });
const meets =
  (rank: number, times: number) =>
  ({ collective }: Meeting): Promise<Passed> =>
    meet(collective, rank, times);

/** One member fails before its second meeting. */
function failure(members: number) {
  return program<Meeting>(import.meta.url, {
    title: `one of ${members} members fails`,
    setup: meeting(members),
    threads: Array.from({ length: members }, (_, rank) =>
      rank === members - 1 ? ({ collective }: Meeting) => failing(collective, rank, 1) : meets(rank, 2),
    ),
    check: (_, { results }) => {
      for (const each of results) assert.deepEqual(each, { passed: 1, told: "INTERNAL" });
    },
  });
}

/** Somebody outside gives up at any moment. */
function givenUp(members: number, times: number) {
  return program<Meeting>(import.meta.url, {
    title: `${members} members meet ${times} times, and are told to give up at any moment`,
    setup: meeting(members),
    threads: [
      ...Array.from({ length: members }, (_, rank) => meets(rank, times)),
      ({ collective }: Meeting): void => attach(collective, 0).abort("WORKER_DIED"),
    ],
    check: allAlike(members, "WORKER_DIED"),
  });
}

/** A member dies at any instruction, also while it gives up for all; whoever supervises says so. */
function death(members: number, supervise: (handle: ThreadCollectiveHandle) => void) {
  return program<Meeting>(import.meta.url, {
    title: `one of ${members} members fails, and one may die`,
    setup: meeting(members),
    threads: [
      ({ collective }: Meeting, _context: ThreadContext) => failing(collective, 0, 1),
      ...Array.from({ length: members - 1 }, (_, other) => meets(other + 1, 2)),
    ],
    supervise: ({ collective }) => supervise(collective),
    check: (_, { results, died }) => {
      const living = (results as readonly (Passed | undefined)[]).filter((_result, thread) => !died.includes(thread));
      for (const each of living) {
        assert.ok(each!.passed <= 1, "a meeting was passed that one member never came to");
        assert.ok(each!.told === "INTERNAL" || each!.told === "WORKER_DIED", `a member was told ${each!.told}`);
      }
    },
  });
}

/** What members lay out for the coordinator, and what it answers. */
interface Question {
  readonly collective: ThreadCollectiveHandle;
  readonly asked: Int32Array;
  readonly answer: Int32Array;
}

const laidOut = (time: number, rank: number): number => 10 * (time + 1) + rank;

type Answer = (handle: ThreadCollectiveHandle, work: () => void) => Promise<void>;
const answerThem: Answer = (handle, work) => ThreadCoordinator.attach(handle).answer(work);

/** Members ask for the sum of what they have laid out, and then lay out the next. */
function consultation(
  members: number,
  times: number,
  { answer = answerThem, fails = null }: { readonly answer?: Answer; readonly fails?: number | null } = {},
) {
  return {
    setup: (): Question => ({
      collective: ThreadCollective.create(members, true),
      asked: new Int32Array(new SharedArrayBuffer(4 * members)),
      answer: new Int32Array(new SharedArrayBuffer(4)),
    }),
    threads: [
      ...Array.from({ length: members }, (_, rank) => async (state: Question): Promise<Answered> => {
        const collective = attach(state.collective, rank);
        const answers: number[] = [];
        try {
          for (let time = 0; time < times; time++) {
            state.asked[rank] = laidOut(time, rank);
            await collective.consult();
            answers.push(state.answer[0]!);
            await collective.arrive();
          }
          return { answers, told: null };
        } catch (thrown) {
          collective.abort("INTERNAL");
          if (!isLockstepError(thrown)) throw thrown;
          return { answers, told: thrown.code };
        }
      }),
      async (state: Question): Promise<Answered> => {
        try {
          for (let time = 0; time < times; time++)
            await answer(state.collective, () => {
              if (time === fails) throw new Failed();
              state.answer[0] = state.asked.slice().reduce((sum, one) => sum + one, 0);
            });
          return { answers: [], told: null };
        } catch (thrown) {
          attach(state.collective, 0).abort("INTERNAL");
          if (thrown instanceof Failed) return { answers: [], told: "failed" };
          if (!isLockstepError(thrown)) throw thrown;
          return { answers: [], told: thrown.code };
        }
      },
    ],
  };
}

interface Answered {
  readonly answers: readonly number[];
  /** Null: all went well. */
  readonly told: string | null;
}

function rightAnswers(members: number, times: number): readonly number[] {
  return Array.from({ length: times }, (_, time) =>
    Array.from({ length: members }, (_member, rank) => laidOut(time, rank)).reduce((sum, one) => sum + one, 0),
  );
}

function answered(members: number, times: number, answer: Answer = answerThem) {
  return program<Question>(import.meta.url, {
    title: `${members > 1 ? `${members} members consult` : "1 member consults"} ${times > 1 ? "twice" : "once"}`,
    ...consultation(members, times, { answer }),
    check: (_, { results }) => {
      const each = { answers: rightAnswers(members, times), told: null };
      assert.deepEqual(results, [...Array.from({ length: members }, () => each), { answers: [], told: null }]);
    },
  });
}

/** Who is asked cannot answer the second question: all members have the first answer, and are told. */
const unanswered = program<Question>(import.meta.url, {
  title: "2 members consult, and who is asked fails",
  ...consultation(2, 2, { fails: 1 }),
  check: (_, { results }) => {
    const told = { answers: rightAnswers(2, 1), told: "INTERNAL" };
    assert.deepEqual(results, [told, told, { answers: [], told: "failed" }]);
  },
});

/** A member, or who is asked, dies at any instruction: nobody waits for ever, and no answer is a wrong one. */
const consultationDeath = program<Question>(import.meta.url, {
  title: "a member consults, and it or who is asked may die",
  ...consultation(1, 1),
  supervise: ({ collective }) => void attach(collective, 0).threadDied(),
  check: (_, { results, died }) => {
    const [right] = rightAnswers(1, 1);
    for (const [thread, result] of (results as readonly Answered[]).entries()) {
      if (died.includes(thread)) continue;
      assert.ok(result.told === null || (died.length > 0 && result.told === "WORKER_DIED"), String(result.told));
      assert.ok(result.answers.every((answer) => answer === right));
    }
  },
});

export const two = reduction(2, "float32", 2);
export const twoDouble = reduction(2, "float64", 1);
export const three = reduction(3, "float32", 1);
export const threeTwice = reduction(3, "float64", 2);

export const twins = {
  reduce: reduction(2, "float32", 1, (handle, rank) => new WithoutBarrier(handle, rank, "reduce")),
  second: reduction(2, "float32", 1, (handle, rank) => new WithoutBarrier(handle, rank, "second")),
  third: reduction(2, "float32", 2, (handle, rank) => new WithoutBarrier(handle, rank, "third")),
  /** Answers before all members have come. */
  early: answered(2, 1, (handle, work) => {
    work();
    return ThreadCoordinator.attach(handle).answer(() => {});
  }),
  /** Answers after they have gone on. */
  late: answered(2, 1, async (handle, work) => {
    await ThreadCoordinator.attach(handle).answer(() => {});
    work();
  }),
};

export const consults = {
  one: answered(1, 1),
  two: answered(2, 1),
  twice: answered(2, 2),
  fails: unanswered,
  dies: consultationDeath,
};

export const failureOfTwo = failure(2);
export const failureOfThree = failure(3);
export const givenUpTwo = givenUp(2, 2);
export const givenUpThree = givenUp(3, 1);
export const deathOfTwo = death(2, (handle) => void ThreadCollective.attach(handle, 0).threadDied());
export const deathOfThree = death(3, (handle) => void ThreadCollective.attach(handle, 0).threadDied());
/** The dead one may have been about to wake the others: telling them again does not, since it had been decided. */
export const deathAborted = death(2, (handle) => attach(handle, 0).abort("WORKER_DIED"));
