/**
 * Event counts under exploration: no change falls between a look and the sleep after it, and what was written before is
 * seen.
 */
import assert from "node:assert/strict";
import { AbortWord, EventCount, type AbortHandle, type EventCountHandle } from "../../../src/threads/sync/index.ts";
import { program } from "../../../src/threads/explore/index.ts";

type Words = Int32Array<SharedArrayBuffer>;
interface State {
  readonly events: EventCountHandle;
  readonly abort: AbortHandle;
  readonly state: Words;
}
const setup = (): State => ({
  events: EventCount.create().handle,
  abort: AbortWord.create().handle,
  state: new Int32Array(new SharedArrayBuffer(8)),
});

const produce = ({ events, state }: State): void => {
  Atomics.add(state, 0, 1);
  EventCount.attach(events).advance();
};

const consume =
  (wanted: number) =>
  ({ events, state }: State): void => {
    const count = EventCount.attach(events);
    for (;;) {
      const seen = count.count;
      if (Atomics.load(state, 0) >= wanted) return;
      count.wait(seen);
    }
  };

const consumeAsync =
  (wanted: number) =>
  async ({ events, state }: State): Promise<void> => {
    const count = EventCount.attach(events);
    for (;;) {
      const seen = count.count;
      if (Atomics.load(state, 0) >= wanted) return;
      await count.waitAsync(seen);
    }
  };

export const eventCounts = {
  twoOne: program<State>(import.meta.url, {
    title: "event count, a producer and a consumer",
    setup,
    threads: [produce, consume(1)],
  }),
  producers: program<State>(import.meta.url, {
    title: "event count, two producers and a consumer",
    setup,
    threads: [produce, produce, consume(2)],
  }),
  async: program<State>(import.meta.url, {
    title: "event count, an asynchronous consumer",
    setup,
    threads: [produce, produce, consumeAsync(2)],
  }),
  four: program<State>(import.meta.url, {
    title: "event count, two producers and two consumers",
    setup,
    threads: [produce, produce, consume(1), consume(2)],
  }),
  abort: program<State>(import.meta.url, {
    title: "event count, an abort",
    setup,
    threads: [
      ({ abort, events }) => {
        AbortWord.attach(abort).bind(EventCount.attach(events)).abort();
      },
      ({ events, abort }) => {
        assert.throws(
          () => {
            for (;;)
              EventCount.attach(events).wait(EventCount.attach(events).count, { abort: AbortWord.attach(abort) });
          },
          { code: "CANCELLED" },
        );
      },
    ],
  }),
  death: program<State>(import.meta.url, {
    title: "event count, the producer may die: the consumer hears of it",
    setup,
    threads: [
      produce,
      ({ events, state }) => {
        const count = EventCount.attach(events);
        for (;;) {
          const seen = count.count;
          if (Atomics.load(state, 0) + Atomics.load(state, 1) > 0) return;
          count.wait(seen);
        }
      },
    ],
    supervise: ({ events, state }) => {
      Atomics.store(state, 1, 1);
      assert.equal(EventCount.attach(events).threadDied(), false);
    },
  }),
};
