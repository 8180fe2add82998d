/** Channels of values: what is theirs alone; a channel's states are explored with numbers (channel.programs.ts). */
import assert from "node:assert/strict";
import { program } from "../../../src/threads/explore/index.ts";
import { Channel, type ChannelHandle } from "../../../src/threads/sync/index.ts";

interface Values {
  readonly channel: ChannelHandle<readonly number[]>;
}

const valuesIn = (capacity: number) => (): Values => ({
  channel: Channel.create<readonly number[]>({ capacity, bytes: 16, spins: 0 }).handle,
});

export const values = {
  one: program<Values>(import.meta.url, {
    title: "channel of JSON values, 2 threads × 1",
    setup: valuesIn(1),
    threads: [
      ({ channel }) => Channel.attach(channel).send([1, 2]),
      ({ channel }) => Channel.attach(channel).receive(),
    ],
    check: (_, { results }) => assert.deepEqual(results[1], [1, 2]),
  }),
  two: program<Values>(import.meta.url, {
    title: "channel of JSON values, 2 threads × 2, capacity 1",
    setup: valuesIn(1),
    threads: [
      ({ channel }) => {
        const mine = Channel.attach(channel);
        for (const value of [1, 2]) mine.send([value]);
      },
      ({ channel }) => {
        const mine = Channel.attach(channel);
        return [mine.receive(), mine.receive()];
      },
    ],
    check: (_, { results }) => assert.deepEqual(results[1], [[1], [2]]),
  }),
  batch: program<Values>(import.meta.url, {
    title: "channel of JSON values, a batch larger than the ring",
    setup: valuesIn(2),
    threads: [
      ({ channel }) => Channel.attach(channel).sendMany([[1], [2], [3]]),
      ({ channel }) => {
        const mine = Channel.attach(channel);
        const got: (readonly number[])[] = [];
        while (got.length < 3) got.push(...mine.receiveMany(3));
        return got;
      },
    ],
    check: (_, { results }) => assert.deepEqual(results[1], [[1], [2], [3]]),
  }),
};
