/** Messages between explored threads: they order what was written before them, and come in order. */
import assert from "node:assert/strict";
import { MessageChannel, receiveMessageOnPort, type MessagePort } from "node:worker_threads";
import { program } from "../../src/threads/explore/index.ts";

type Words = Int32Array<SharedArrayBuffer>;
interface State {
  readonly w: Words;
  readonly near: MessagePort;
  readonly far: MessagePort;
}

const setup = (): State => {
  const { port1, port2 } = new MessageChannel();
  return { w: new Int32Array(new SharedArrayBuffer(8)), near: port1, far: port2 };
};

function next(port: MessagePort): Promise<unknown> {
  return new Promise((resolve) => {
    port.once("message", resolve);
  });
}

/** Plain memory handed over by messages, there and back: no race. */
export const handedOver = program<State>(import.meta.url, {
  title: "plain memory handed over by messages",
  setup,
  threads: [
    async ({ w, near }) => {
      w[0] = 1;
      const answer = next(near);
      near.postMessage({ words: w, note: "yours" });
      await answer;
      return w[0];
    },
    async ({ far }) => {
      const { words } = (await next(far)) as { words: Words };
      words[0] = words[0]! + 1;
      far.postMessage("back");
    },
  ],
  check: (_, { results: [seen] }) => assert.equal(seen, 2),
});

/** The same, but the sender goes on writing. */
export const keptWriting = program<State>(import.meta.url, {
  setup,
  threads: [
    ({ w, near }) => {
      near.postMessage("look");
      w[0] = 1;
    },
    async ({ w, far }) => {
      await next(far);
      return w[0];
    },
  ],
});

/** Polling sees a message or does not; in order. */
export const polled = program<State>(import.meta.url, {
  setup,
  threads: [
    ({ near }) => {
      near.postMessage(1);
      near.postMessage(2);
    },
    ({ far }) => [receiveMessageOnPort(far)?.message, receiveMessageOnPort(far)?.message],
  ],
  check: (_, { results: [, got] }) =>
    assert.ok(
      [
        [null, null],
        [null, 1],
        [1, null],
        [1, 2],
      ].some((wanted) => JSON.stringify(wanted) === JSON.stringify(got)),
      JSON.stringify(got),
    ),
});

/** A reply that never comes. */
export const unanswered = program<State>(import.meta.url, {
  setup,
  threads: [
    async ({ near }) => {
      near.postMessage("?");
      await next(near);
    },
    ({ far }) => {
      receiveMessageOnPort(far);
    },
  ],
});
