/**
 * Epoch cells under every interleaving: no slot is written while it is pinned, versions do not go back, waits end,
 * deaths let go of everything.
 */
import assert from "node:assert/strict";
import {
  program,
  requireLinearizable,
  type Ended,
  type SequentialModel,
  type ThreadBody,
} from "../../../src/threads/explore/index.ts";
import { EpochCell, type EpochHandle } from "../../../src/threads/sync/index.ts";

/** Two words a slot, both the version that is published there. */
interface State {
  readonly cell: EpochHandle;
  readonly payload: Int32Array<SharedArrayBuffer>;
}
type Body = ThreadBody<State>;

const made = (slots: number, first: boolean) => (): State => {
  const cell = EpochCell.create(slots, { holders: 3 });
  const payload = new Int32Array(new SharedArrayBuffer(8 * slots));
  if (first) publish({ cell: cell.handle, payload }, cell, 1);
  return { cell: cell.handle, payload };
};

function publish({ payload }: State, cell: EpochCell, version: number): void {
  const reservation = cell.reserve();
  payload[2 * reservation.slot] = version;
  payload[2 * reservation.slot + 1] = version;
  reservation.publish(version);
}

const publishing =
  (...versions: readonly number[]): Body =>
  (state) => {
    const cell = EpochCell.attach(state.cell);
    for (const version of versions) publish(state, cell, version);
  };

/** Pins, reads plainly (a write in the meantime would be a race), lets go; so many times. */
const reading =
  (times: number): Body =>
  ({ cell, payload }) => {
    const mine = EpochCell.attach(cell);
    return Array.from({ length: times }, () => {
      using pin = mine.pinWhenPublished();
      const seen = [payload[2 * pin.slot], payload[2 * pin.slot + 1]];
      assert.deepEqual(seen, [pin.version, pin.version]);
      return pin.version;
    });
  };

const ordered = ({ cell }: State, { results, died }: Ended): void => {
  for (const result of results)
    if (Array.isArray(result))
      assert.ok(
        result.every((version, i) => i === 0 || version >= result[i - 1]),
        `went back: ${result.join(" ")}`,
      );
  if (died.length > 0) return;
  const mine = EpochCell.attach(cell);
  for (let slot = 0; slot < mine.slots; slot++) assert.ok(mine.pins(slot) <= 1, "only the cell's own hold is left");
};

export const pinning = {
  twoOne: program<State>(import.meta.url, {
    title: "epoch cell, 2 threads × 1",
    setup: made(2, true),
    threads: [publishing(2), reading(1)],
    check: ordered,
  }),
  reuse: program<State>(import.meta.url, {
    title: "epoch cell, a slot is written again only when it is let go",
    setup: made(2, true),
    threads: [publishing(2, 3), reading(1)],
    check: ordered,
  }),
  twoTwo: program<State>(import.meta.url, {
    title: "epoch cell, 2 threads × 2",
    setup: made(2, true),
    threads: [publishing(2, 3), reading(2)],
    check: ordered,
  }),
  readers: program<State>(import.meta.url, {
    title: "epoch cell, 2 readers × 1, a writer × 2",
    setup: made(2, true),
    threads: [publishing(2, 3), reading(1), reading(1)],
    check: ordered,
  }),
  writers: program<State>(import.meta.url, {
    title: "epoch cell, 2 writers × 1 over 2 slots, a reader",
    setup: made(2, true),
    threads: [publishing(2), publishing(2), reading(1)],
    check: ordered,
  }),
  first: program<State>(import.meta.url, {
    title: "epoch cell, the first publication wakes who waits for it",
    setup: made(2, false),
    threads: [publishing(1), reading(1)],
    check: ordered,
  }),
  async: program<State>(import.meta.url, {
    title: "epoch cell, the asynchronous forms",
    setup: made(2, false),
    threads: [
      async (state) => {
        const cell = EpochCell.attach(state.cell);
        for (const version of [1, 2]) {
          const reservation = await cell.reserveAsync();
          state.payload[2 * reservation.slot] = version;
          reservation.publish(version);
        }
      },
      async ({ cell, payload }) => {
        using pin = await EpochCell.attach(cell).pinAsync();
        assert.equal(payload[2 * pin.slot], pin.version);
      },
    ],
    check: ordered,
  }),
};

export const givenBack = program<State>(import.meta.url, {
  title: "epoch cell, a slot that is given back wakes who waits for it",
  setup: made(2, true),
  threads: [
    ({ cell }) => {
      const reservation = EpochCell.attach(cell).tryReserve()!;
      while (Atomics.load(cell.words, 1) === 0) Atomics.pause(); // until somebody sleeps, or is about to
      reservation.giveBack();
    },
    ({ cell }) => {
      while (Atomics.load(cell.words, 16 + 2) === 0) Atomics.pause(); // the slot is reserved
      EpochCell.attach(cell).reserve().giveBack();
    },
  ],
  check: ({ cell }) => assert.equal(EpochCell.attach(cell).tryReserve()?.slot, 1),
});

/** The newest version; 0: none. */
const newest: SequentialModel<number> = {
  initial: 0,
  apply: (version, { name, argument, result }) =>
    name === "publish" ? (argument as number) : version === result ? version : null,
};
const doPublish =
  (version: number): Body =>
  (state, context) => {
    const cell = EpochCell.attach(state.cell);
    const reservation = cell.reserve();
    context.operation("publish", version, () => reservation.publish(version) ?? null);
  };
const doPin =
  (times: number): Body =>
  ({ cell }, context) => {
    const mine = EpochCell.attach(cell);
    for (let i = 0; i < times; i++)
      context.operation("pin", null, () => {
        using pin = mine.tryPin();
        return pin?.version ?? 0;
      });
  };

export const histories = {
  reader: program<State>(import.meta.url, {
    title: "epoch cell, histories of a publication and 2 pins",
    setup: made(2, false),
    threads: [doPublish(1), doPin(2)],
    check: (_, { history }) => requireLinearizable(history, newest),
  }),
  writers: program<State>(import.meta.url, {
    title: "epoch cell, histories of 2 publications and a pin",
    setup: made(3, false),
    threads: [doPublish(1), doPublish(2), doPin(1)],
    check: (_, { history }) => requireLinearizable(history, newest),
  }),
};

const died = ({ cell }: State, { threadId }: { readonly threadId: number }): void =>
  void EpochCell.attach(cell).threadDied(threadId);

export const deaths = {
  any: program<State>(import.meta.url, {
    title: "epoch cell, a reader or a writer dies at any instruction: the others go on, nothing stays held",
    setup: made(2, true),
    threads: [publishing(2, 3), reading(1)],
    supervise: died,
    check: (state, ended) => {
      ordered(state, ended);
      const mine = EpochCell.attach(state.cell);
      const reservation = mine.tryReserve();
      assert.ok(reservation !== null, "the slot that is not current is free");
      reservation.publish(9);
      assert.equal(mine.pins(reservation.slot), 1);
      assert.equal(mine.pins(1 - reservation.slot), 0);
    },
  }),
};
