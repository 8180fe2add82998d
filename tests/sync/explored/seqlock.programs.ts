/**
 * Seqlock cells under every interleaving: no torn read, no lost update, versions in order, deaths of writers, histories
 * against a register.
 */
import assert from "node:assert/strict";
import {
  program,
  requireLinearizable,
  type Ended,
  type SequentialModel,
  type ThreadBody,
} from "../../../src/threads/explore/index.ts";
import { AbortWord, SeqlockCell, type AbortHandle, type SeqlockHandle } from "../../../src/threads/sync/index.ts";

interface State {
  readonly cell: SeqlockHandle;
}
interface Aborting extends State {
  readonly abort: AbortHandle;
}
type Body = ThreadBody<State>;

/** Who finds an unfinished write looks so often again before it sleeps: none, unless a program says so. */
const made = (spins: number) => (): State => ({ cell: SeqlockCell.create(2, { spins }).handle });
const setup = made(0);
const write =
  (...values: readonly number[]): Body =>
  ({ cell }) => {
    const mine = SeqlockCell.attach(cell);
    for (const value of values) mine.write(Int32Array.of(value, value));
  };
const read: Body = ({ cell }) => Array.from(SeqlockCell.attach(cell).read());
const increment: Body = ({ cell }) =>
  SeqlockCell.attach(cell).update((words) => words.forEach((word, at) => (words[at] = word + 1)));

const whole = ({ results }: Ended): void => {
  for (const result of results)
    if (Array.isArray(result)) assert.equal(result[0], result[1], `torn: ${result.join(" ")}`);
};

export const reading = {
  twoOne: program<State>(import.meta.url, {
    title: "seqlock, 2 threads × 1: a read is whole",
    setup,
    threads: [write(1), read],
    check: (_, ended) => whole(ended),
  }),
  twoTwo: program<State>(import.meta.url, {
    title: "seqlock, 2 threads × 2: reads are whole and do not go back",
    setup,
    threads: [
      write(1, 2),
      ({ cell }) => {
        const mine = SeqlockCell.attach(cell);
        return [mine.read(), mine.read()].map((words) => {
          assert.equal(words[0], words[1]);
          return words[0];
        });
      },
    ],
    check: (_, { results }) => {
      const [first, second] = results[1] as [number, number];
      assert.ok(first <= second, `went back from ${first} to ${second}`);
    },
  }),
  writers: program<State>(import.meta.url, {
    title: "seqlock, 2 writers × 1 and a reader",
    setup,
    threads: [write(1), write(2), read],
    check: (_, ended) => whole(ended),
  }),
  async: program<State>(import.meta.url, {
    title: "seqlock, an asynchronous reader",
    setup,
    threads: [write(1), async ({ cell }) => Array.from(await SeqlockCell.attach(cell).readAsync())],
    check: (_, ended) => whole(ended),
  }),
  updates: program<State>(import.meta.url, {
    title: "seqlock, 2 threads × 1 update: none is lost",
    setup,
    threads: [increment, increment],
    check: ({ cell }) => assert.deepEqual(Array.from(SeqlockCell.attach(cell).read()), [2, 2]),
  }),
};

/** The same with one look more, so that both ways through the loops before the sleep are gone. */
export const spinning = {
  reader: program<State>(import.meta.url, {
    title: "seqlock with a spin, a writer and a reader",
    setup: made(1),
    threads: [write(1), read],
    check: (_, ended) => whole(ended),
  }),
  writers: program<State>(import.meta.url, {
    title: "seqlock with a spin, 2 writers and a reader",
    setup: made(1),
    threads: [write(1), write(2), read],
    check: (_, ended) => whole(ended),
  }),
  updates: program<State>(import.meta.url, {
    title: "seqlock with a spin, 3 threads × 1 update: none is lost",
    setup: made(1),
    threads: [increment, increment, increment],
    check: ({ cell }) => assert.deepEqual(Array.from(SeqlockCell.attach(cell).read()), [3, 3]),
  }),
  async: program<State>(import.meta.url, {
    title: "seqlock, an asynchronous writer and reader beside a writer",
    setup: made(1),
    threads: [
      write(1),
      async ({ cell }) => {
        const mine = SeqlockCell.attach(cell);
        await mine.writeAsync(Int32Array.of(2, 2));
        return Array.from(await mine.readAsync());
      },
    ],
    check: (_, ended) => whole(ended),
  }),
};

/** A register of one number. */
const register: SequentialModel<number> = {
  initial: 0,
  apply: (value, { name, argument, result }) =>
    name === "write" ? (argument as number) : value === result ? value : null,
};
const doWrite =
  (value: number): Body =>
  ({ cell }, context) => {
    const mine = SeqlockCell.attach(cell);
    context.operation("write", value, () => mine.write(Int32Array.of(value, value)) ?? null);
  };
const doRead =
  (times: number): Body =>
  ({ cell }, context) => {
    const mine = SeqlockCell.attach(cell);
    for (let i = 0; i < times; i++) context.operation("read", null, () => mine.read()[1]);
  };

export const histories = {
  reads: program<State>(import.meta.url, {
    title: "seqlock, histories of a write and 2 reads",
    setup,
    threads: [doWrite(1), doRead(2)],
    check: (_, { history }) => requireLinearizable(history, register),
  }),
  writers: program<State>(import.meta.url, {
    title: "seqlock, histories of 2 writes and a read",
    setup,
    threads: [doWrite(1), doWrite(2), doRead(1)],
    check: (_, { history }) => requireLinearizable(history, register),
  }),
};

const codeOf = (perform: () => unknown): unknown => {
  try {
    return perform();
  } catch (thrown) {
    return (thrown as { code?: string }).code ?? String(thrown);
  }
};

export const givesUp = {
  limits: program<State>(import.meta.url, {
    title: "seqlock, a reader and a writer with time limits beside a writer",
    setup,
    threads: [
      write(1, 2),
      ({ cell }) => codeOf(() => Array.from(SeqlockCell.attach(cell).read(new Int32Array(2), { timeoutMs: 5 }))),
      ({ cell }) => codeOf(() => SeqlockCell.attach(cell).write(Int32Array.of(3, 3), { timeoutMs: 5 })),
    ],
    check: ({ cell }, ended) => {
      whole(ended);
      const mine = SeqlockCell.attach(cell);
      assert.ok(
        ended.results
          .slice(1)
          .every((result) => result === undefined || result === null || Array.isArray(result) || result === "TIMEOUT"),
      );
      assert.equal(mine.version, ended.results[2] === "TIMEOUT" ? 2 : 3);
    },
  }),
  aborted: program<Aborting>(import.meta.url, {
    title: "seqlock, a reader and a writer are aborted while a thread writes; a third goes on",
    setup: () => ({ ...setup(), abort: AbortWord.create().handle }),
    threads: [
      ({ cell, abort }) => {
        const mine = SeqlockCell.attach(cell);
        mine.update((words) => {
          AbortWord.attach(abort).bind(mine).abort();
          words.fill(1);
        });
      },
      ({ cell, abort }) =>
        codeOf(() => Array.from(SeqlockCell.attach(cell).read(new Int32Array(2), { abort: AbortWord.attach(abort) }))),
      ({ cell }) => codeOf(() => Array.from(SeqlockCell.attach(cell).read())),
    ],
    check: (_, ended) => {
      whole(ended);
      assert.ok(Array.isArray(ended.results[2]));
      assert.ok(Array.isArray(ended.results[1]) || ended.results[1] === "CANCELLED");
    },
  }),
};

export const deaths = {
  writer: program<State>(import.meta.url, {
    title:
      "seqlock, a thread dies at any instruction: who reads gets a whole value or is told, and the cell can be " +
      "repaired",
    setup,
    threads: [write(1), (state, context) => codeOf(() => read(state, context))],
    supervise: ({ cell }, { threadId }) => void SeqlockCell.attach(cell).threadDied(threadId),
    check: ({ cell }, ended) => {
      whole(ended);
      const mine = SeqlockCell.attach(cell);
      const told = codeOf(() => Array.from(mine.read()));
      assert.ok(
        ["0,0", "1,1"].includes(String(told)) || (told === "OWNER_DIED" && ended.died.includes(0)),
        String(told),
      );
      mine.writeForRepair(Int32Array.of(5, 5));
      assert.deepEqual([...mine.read()], [5, 5]);
    },
  }),
  told: program<State>(import.meta.url, {
    title: "seqlock, a reader waits for a writer of whose death it is told",
    setup: () => {
      const state = setup();
      state.cell.words[0] = 2 * 100 + 1;
      return state;
    },
    threads: [
      (state, context) => codeOf(() => read(state, context)),
      ({ cell }) => SeqlockCell.attach(cell).threadDied(99),
    ],
    check: (_, { results }) => assert.deepEqual(results, ["OWNER_DIED", true]),
  }),
  repair: program<State>(import.meta.url, {
    title: "seqlock, a reader that began before a death and ends after the repair sees no mixture",
    setup,
    threads: [write(1), (state, context) => codeOf(() => read(state, context))],
    supervise: ({ cell }, { threadId }) => {
      const mine = SeqlockCell.attach(cell);
      if (mine.threadDied(threadId)) mine.writeForRepair(Int32Array.of(7, 7));
    },
    check: ({ cell }, ended) => {
      whole(ended);
      const words = SeqlockCell.attach(cell).read();
      assert.equal(words[0], words[1]);
    },
  }),
};
