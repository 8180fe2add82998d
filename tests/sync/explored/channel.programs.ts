/**
 * Channels under every interleaving: each message once, in order per sender; nobody sleeps while it could go on;
 * closing, giving up and deaths; histories against a queue. Numbers and values share channel-core.ts, so most are about
 * numbers: one word a cell, written plainly. Long, since every way of a channel is a program of its own.
 */
import assert from "node:assert/strict";
import {
  program,
  requireLinearizable,
  type Ended,
  type Operation,
  type SequentialModel,
  type ThreadBody,
} from "../../../src/threads/explore/index.ts";
import {
  AbortWord,
  NumberChannel,
  type AbortHandle,
  type NumberChannelHandle,
} from "../../../src/threads/sync/index.ts";

interface State {
  readonly channel: NumberChannelHandle<"int32">;
}
type Body = ThreadBody<State>;

const ring =
  (capacity: number, sides: "one" | "many" = "many", spins = 0) =>
  (): State => ({
    channel: NumberChannel.create({ capacity, type: "int32", senders: sides, receivers: sides, spins }).handle,
  });

const send =
  (...numbers: readonly number[]): Body =>
  ({ channel }) => {
    const mine = NumberChannel.attach(channel);
    for (const number of numbers) mine.send(number);
  };
const sendTogether =
  (...numbers: readonly number[]): Body =>
  ({ channel }) =>
    NumberChannel.attach(channel).sendMany(Int32Array.from(numbers));
const sendAndClose =
  (...numbers: readonly number[]): Body =>
  ({ channel }) => {
    const mine = NumberChannel.attach(channel);
    for (const number of numbers) mine.send(number);
    mine.close();
  };
const receive =
  (count: number): Body =>
  ({ channel }) => {
    const mine = NumberChannel.attach(channel);
    return Array.from({ length: count }, () => mine.receive());
  };
const receiveTogether =
  (count: number): Body =>
  ({ channel }) => {
    const mine = NumberChannel.attach(channel);
    const into = new Int32Array(count);
    const got: number[] = [];
    while (got.length < count) got.push(...into.subarray(0, mine.receiveMany(into)));
    return got;
  };
const drain: Body = ({ channel }) => {
  const mine = NumberChannel.attach(channel);
  const got: number[] = [];
  for (let number = mine.receive(); number !== null; number = mine.receive()) got.push(number);
  return got;
};

/** Numbers are 10 · sender + place: each once, and each receiver's in the order of their senders. */
const conserved =
  (...sent: readonly number[]) =>
  ({ channel }: State, { results }: Ended): void => {
    const received = results.filter((result) => Array.isArray(result)) as number[][];
    for (const got of received)
      for (const number of got)
        assert.ok(
          got.indexOf(number) >=
            got.findLastIndex((other) => Math.floor(other / 10) === Math.floor(number / 10) && other < number),
          `out of order: ${got.join(" ")}`,
        );
    assert.deepEqual(
      received.flat().sort((a, b) => a - b),
      [...sent].sort((a, b) => a - b),
    );
    assert.equal(NumberChannel.attach(channel).size, 0);
  };

export const conservation = {
  twoOne: program<State>(import.meta.url, {
    title: "channel, 2 threads × 1",
    setup: ring(1),
    threads: [send(10), receive(1)],
    check: conserved(10),
  }),
  twoTwo: program<State>(import.meta.url, {
    title: "channel, 2 threads × 2, capacity 1",
    setup: ring(1),
    threads: [send(10, 11), receive(2)],
    check: conserved(10, 11),
  }),
  twoTwoSingle: program<State>(import.meta.url, {
    title: "channel of one sender and one receiver, 2 threads × 2, capacity 1",
    setup: ring(1, "one"),
    threads: [send(10, 11), receive(2)],
    check: conserved(10, 11),
  }),
  batch: program<State>(import.meta.url, {
    title: "channel, batches larger than the ring",
    setup: ring(2),
    threads: [sendTogether(10, 11, 12), receiveTogether(3)],
    check: conserved(10, 11, 12),
  }),
  twoSenders: program<State>(import.meta.url, {
    title: "channel, 2 senders × 1, a receiver of 2, capacity 1",
    setup: ring(1),
    threads: [send(10), send(20), receive(2)],
    check: conserved(10, 20),
  }),
  twoReceivers: program<State>(import.meta.url, {
    title: "channel, a batch wakes 2 receivers",
    setup: ring(2),
    threads: [sendTogether(10, 11), receive(1), receive(1)],
    check: conserved(10, 11),
  }),
  tasks: program<State>(import.meta.url, {
    title: "channel of one sender and one receiver, which is 2 tasks of one thread: a batch wakes both",
    setup: ring(2, "one"),
    threads: [
      sendTogether(10, 11),
      async ({ channel }) => {
        const mine = NumberChannel.attach(channel);
        // which task gets which is not said
        return (await Promise.all([mine.receiveAsync(), mine.receiveAsync()])).sort((a, b) => Number(a) - Number(b));
      },
    ],
    check: conserved(10, 11),
  }),
  four: program<State>(import.meta.url, {
    title: "channel, 2 senders × 2, 2 receivers × 2, capacity 1",
    setup: ring(1),
    threads: [send(10, 11), send(20, 21), receive(2), receive(2)],
    check: conserved(10, 11, 20, 21),
  }),
};

/** The same with one look more before a thread sleeps. */
export const spinning = {
  many: program<State>(import.meta.url, {
    title: "channel with a spin, 2 threads × 2, capacity 1",
    setup: ring(1, "many", 1),
    threads: [send(10, 11), receive(2)],
    check: conserved(10, 11),
  }),
  one: program<State>(import.meta.url, {
    title: "channel with a spin, of one sender and one receiver, 2 threads × 2, capacity 1",
    setup: ring(1, "one", 1),
    threads: [send(10, 11), receive(2)],
    check: conserved(10, 11),
  }),
  closed: program<State>(import.meta.url, {
    title: "channel with a spin, closed after sending",
    setup: ring(1, "many", 1),
    threads: [sendAndClose(10, 11), drain],
    check: conserved(10, 11),
  }),
  around: program<State>(import.meta.url, {
    title: "channel of 3, 2 threads × 7: twice round",
    setup: ring(3),
    threads: [send(10, 11, 12, 13, 14, 15, 16), receive(7)],
    check: conserved(10, 11, 12, 13, 14, 15, 16),
  }),
};

export const closing = {
  drained: program<State>(import.meta.url, {
    title: "channel, closed after sending: the receiver drains it",
    setup: ring(1),
    threads: [sendAndClose(10, 11), drain],
    check: conserved(10, 11),
  }),
  receivers: program<State>(import.meta.url, {
    title: "channel, closing wakes every receiver",
    setup: ring(2),
    threads: [sendAndClose(10), drain, drain],
    check: conserved(10),
  }),
  single: program<State>(import.meta.url, {
    title: "channel of one sender, closed by another thread while it is full: the sender is told",
    setup: ring(1, "one"),
    threads: [
      ({ channel }) => {
        const mine = NumberChannel.attach(channel);
        for (const sent of [0, 1, 2]) {
          try {
            mine.send(sent);
          } catch (thrown) {
            assert.equal((thrown as { code?: string }).code, "SHUTTING_DOWN");
            return sent;
          }
        }
        return 3;
      },
      ({ channel }) => void NumberChannel.attach(channel).close(),
    ],
    check: ({ channel }, { results }) => {
      const mine = NumberChannel.attach(channel);
      assert.equal(mine.closed, true, "a close was undone");
      assert.equal(mine.size, results[0]);
    },
  }),
  senders: program<State>(import.meta.url, {
    title: "channel, closing wakes every sender; what was said to be sent is there",
    setup: ring(1),
    threads: [0, 1]
      .map((sender): Body => ({ channel }) => {
        try {
          NumberChannel.attach(channel).send(10 * sender);
          return "sent";
        } catch (thrown) {
          return (thrown as { code?: string }).code;
        }
      })
      .concat(({ channel }) => void NumberChannel.attach(channel).close()),
    check: ({ channel }, { results }) => {
      const sent = [0, 1].filter((sender) => results[sender] === "sent");
      assert.ok(
        [0, 1].every((sender) => sent.includes(sender) || results[sender] === "SHUTTING_DOWN"),
        JSON.stringify(results),
      );
      const mine = NumberChannel.attach(channel);
      assert.equal(mine.size, sent.length);
      for (const sender of sent) assert.equal(mine.receive(), 10 * sender);
      assert.equal(mine.receive(), null);
    },
  }),
};

/** A queue of so many messages. The try forms may also say no while another operation is under way. */
function queue(capacity: number, history: readonly Operation[]): SequentialModel<readonly number[]> {
  const busy = (one: Operation): boolean =>
    history.some(
      (other) =>
        other.thread !== one.thread &&
        other.called < (one.returned ?? Infinity) &&
        one.called < (other.returned ?? Infinity),
    );
  return {
    initial: [],
    apply: (queued, operation) => {
      const { name, argument, result } = operation;
      const sent = queued.length < capacity ? [...queued, argument as number] : null;
      const received = queued.length > 0 && queued[0] === result ? queued.slice(1) : null;
      if (name === "send") return sent;
      if (name === "receive") return received;
      if (name === "trySend") return result === true ? sent : sent === null || busy(operation) ? queued : null;
      return result !== "nothing" ? received : queued.length === 0 || busy(operation) ? queued : null;
    },
  };
}

const linearizable =
  (capacity: number) =>
  (_: State, { history }: Ended): void =>
    requireLinearizable(history, queue(capacity, history));

type Call = (channel: NumberChannel<"int32">, context: Parameters<Body>[1]) => void;
const calls =
  (...all: readonly Call[]): Body =>
  ({ channel }, context) => {
    const mine = NumberChannel.attach(channel);
    for (const call of all) call(mine, context);
  };
const doSend =
  (number: number): Call =>
  (channel, context) =>
    void context.operation("send", number, () => channel.send(number) ?? null);
const doReceive: Call = (channel, context) => void context.operation("receive", null, () => channel.receive());
const doTrySend =
  (number: number): Call =>
  (channel, context) =>
    void context.operation("trySend", number, () => channel.trySend(number));
const doTryReceive: Call = (channel, context) =>
  void context.operation("tryReceive", null, () => channel.tryReceive() ?? "nothing");

export const histories = {
  tries: program<State>(import.meta.url, {
    title: "channel, histories of the try forms",
    setup: ring(1),
    threads: [calls(doTrySend(1), doTrySend(2)), calls(doTryReceive, doTryReceive)],
    check: linearizable(1),
  }),
  mixed: program<State>(import.meta.url, {
    title: "channel, histories of send and receive, one thread doing both",
    setup: ring(1),
    threads: [calls(doSend(1), doReceive), calls(doSend(2), doReceive)],
    check: linearizable(1),
  }),
  three: program<State>(import.meta.url, {
    title: "channel, histories of 3 threads",
    setup: ring(2),
    threads: [calls(doSend(1)), calls(doSend(2)), calls(doReceive, doTryReceive)],
    check: linearizable(2),
  }),
};

interface Aborting extends State {
  readonly abort: AbortHandle;
}

const codeOf = (perform: () => unknown): unknown => {
  try {
    return perform();
  } catch (thrown) {
    return (thrown as { code?: string }).code ?? String(thrown);
  }
};

export const givingUp = {
  timeLimit: program<State>(import.meta.url, {
    title: "channel, a receiver with a time limit: its message is with it or still there",
    setup: ring(1),
    threads: [send(10), ({ channel }) => codeOf(() => NumberChannel.attach(channel).receive({ timeoutMs: 5 }))],
    check: ({ channel }, { results }) =>
      assert.ok(
        results[1] === 10 || (results[1] === "TIMEOUT" && NumberChannel.attach(channel).tryReceive() === 10),
        JSON.stringify(results),
      ),
  }),
  passedOn: program<State>(import.meta.url, {
    title: "channel, of two receivers one has a time limit: the other gets the message",
    setup: ring(1),
    threads: [
      ({ channel }) => {
        const mine = NumberChannel.attach(channel);
        mine.send(10);
        mine.send(11);
      },
      ({ channel }) => codeOf(() => NumberChannel.attach(channel).receive({ timeoutMs: 5 })),
      receive(1),
    ],
    check: ({ channel }, { results }) =>
      assert.equal(results[1] === "TIMEOUT" ? 1 : 0, NumberChannel.attach(channel).size),
  }),
  abort: program<Aborting>(import.meta.url, {
    title: "channel, an abort word against a message: no wake-up is lost",
    setup: () => ({ ...ring(1)(), abort: AbortWord.create().handle }),
    threads: [
      ({ channel, abort }) => {
        const mine = NumberChannel.attach(channel);
        AbortWord.attach(abort).bind(mine).abort("CANCELLED");
        mine.send(10);
      },
      ({ channel, abort }) => codeOf(() => NumberChannel.attach(channel).receive({ abort: AbortWord.attach(abort) })),
      ({ channel }) => codeOf(() => NumberChannel.attach(channel).receive({ timeoutMs: 5 })),
    ],
    check: ({ channel }, { results }) => {
      const left = NumberChannel.attach(channel).size;
      const taken = results.filter((result) => result === 10).length;
      assert.equal(left + taken, 1, JSON.stringify(results));
      assert.ok(results[1] === 10 || results[1] === "CANCELLED", JSON.stringify(results));
    },
  }),
  signal: program<State>(import.meta.url, {
    title: "channel, an abandoned asynchronous receiver passes its wake-up on",
    setup: ring(1),
    threads: [
      send(10),
      async ({ channel }) => {
        const mine = NumberChannel.attach(channel);
        const controller = new AbortController();
        const first = mine
          .receiveAsync({ signal: controller.signal })
          .catch((thrown: unknown) => (thrown as { code?: string }).code);
        const second = mine
          .receiveAsync({ timeoutMs: 50 })
          .catch((thrown: unknown) => (thrown as { code?: string }).code);
        controller.abort();
        return [await first, await second];
      },
    ],
    check: ({ channel }, { results }) => {
      const got = results[1] as unknown[];
      const left = NumberChannel.attach(channel).size;
      assert.equal(got.filter((result) => result === 10).length + left, 1, JSON.stringify(got));
    },
  }),
};

/** The side of a dead thread (of nobody, here) is another's once the death is told. */
const takenBack = (title: string, side: number, threads: readonly Body[], queued: readonly number[]) =>
  program<State>(import.meta.url, {
    title,
    setup: () => {
      const state = ring(2)();
      const mine = NumberChannel.attach(state.channel);
      for (const number of queued) mine.send(number);
      state.channel.words[side] = 100;
      return state;
    },
    threads: [...threads, ({ channel }) => NumberChannel.attach(channel).threadDied(99)],
    check: (_, { results }) => assert.equal(results[1], true),
  });

export const sidesOfTheDead = {
  sender: takenBack("channel, a sender waits for a dead one's side", 16, [send(10)], []),
  receiver: takenBack("channel, a receiver waits for a dead one's side", 64, [receive(1)], [10]),
};

type Death = { readonly thread: number; readonly threadId: number };

export const deaths = {
  any: program<State>(import.meta.url, {
    title:
      "channel, of 2 senders and a receiver one dies at any instruction: the others go on, and no message comes twice",
    setup: ring(2),
    threads: [
      send(10),
      send(20),
      ({ channel }) => codeOf(() => NumberChannel.attach(channel).receive({ timeoutMs: 5 })),
    ],
    supervise: ({ channel }, { threadId }: Death) => void NumberChannel.attach(channel).threadDied(threadId),
    check: ({ channel }, { results, died }) => {
      const mine = NumberChannel.attach(channel);
      const left = [mine.tryReceive(), mine.tryReceive()].filter((number) => number !== undefined);
      const got = [...left, ...(typeof results[2] === "number" ? [results[2]] : [])];
      assert.equal(new Set(got).size, got.length, "a message came twice");
      for (const sender of [0, 1])
        assert.ok(
          died.includes(sender) || died.includes(2) || got.includes(10 * (sender + 1)),
          `${10 * (sender + 1)} is lost`,
        );
      assert.equal(mine.trySend(30), true); // neither side is held by the dead
      assert.equal(mine.tryReceive(), 30);
    },
  }),
  sender: program<State>(import.meta.url, {
    title: "channel, a sender dies: what it has sent is received, and nothing else",
    setup: ring(2),
    threads: [sendAndClose(10, 11), drain],
    supervise: ({ channel }, { thread, threadId }: Death) => {
      const mine = NumberChannel.attach(channel);
      mine.threadDied(threadId);
      if (thread === 0) mine.close();
    },
    check: (_, { results, died }) => {
      if (died.includes(0)) assert.ok(["", "10", "10,11"].includes(String(results[1])), String(results[1]));
    },
  }),
  receiver: program<State>(import.meta.url, {
    title: "channel, a receiver dies: the other one gets what it had not taken",
    setup: ring(2),
    threads: [sendAndClose(10, 11), drain, drain],
    supervise: ({ channel }, { thread, threadId }: Death) => {
      const mine = NumberChannel.attach(channel);
      mine.threadDied(threadId);
      if (thread === 0) mine.close();
    },
    check: ({ channel }, { results, died }) => {
      const got = results.flatMap((result) => (Array.isArray(result) ? (result as number[]) : []));
      assert.equal(new Set(got).size, got.length, "a message came twice");
      if (died.length === 0) assert.deepEqual(got.sort(), [10, 11]);
      assert.equal(NumberChannel.attach(channel).tryReceive(), null, "the receivers that are left have drained it");
    },
  }),
};
