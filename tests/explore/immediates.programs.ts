/** An event loop with callbacks of `setImmediate`, which another thread waits for. */
import assert from "node:assert/strict";
import { program } from "../../src/threads/explore/index.ts";

export const immediates = program<{ w: Int32Array<SharedArrayBuffer> }>(import.meta.url, {
  title: "a chain of immediates, one of them taken back, and a thread that waits for it",
  setup: () => ({ w: new Int32Array(new SharedArrayBuffer(4)) }),
  threads: [
    async ({ w }) => {
      const order: string[] = [];
      clearImmediate(
        setImmediate(() => {
          order.push("taken back");
        }),
      );
      await new Promise<void>((resolve) => {
        setImmediate(() => {
          order.push("first");
          setImmediate(resolve);
        });
      });
      order.push("second");
      Atomics.store(w, 0, 1);
      Atomics.notify(w, 0);
      return order;
    },
    ({ w }) => {
      while (Atomics.load(w, 0) === 0) Atomics.wait(w, 0, 0);
    },
  ],
  check: (_, { results: [order] }) => assert.deepEqual(order, ["first", "second"]),
});
