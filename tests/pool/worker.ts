/** A pool's worker for the tests. */
import { setTimeout as delay } from "node:timers/promises";
import { LockstepError } from "../../src/base/index.ts";
import { markBusy, serveWorker, Transferred } from "../../src/threads/pool/index.ts";

export type TestRequest =
  | { readonly kind: "echo"; readonly text: string }
  | { readonly kind: "slow"; readonly ms: number }
  | { readonly kind: "fail"; readonly how: "typed" | "plain" | "unclonable" }
  | { readonly kind: "die"; readonly how: "exit" | "throw" }
  | { readonly kind: "move"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "spin"; readonly ms: number };

export type TestReply =
  | { readonly kind: "echo"; readonly text: string; readonly worker: number; readonly data: unknown }
  | { readonly kind: "slow"; readonly cancelled: boolean }
  | { readonly kind: "fail" }
  | { readonly kind: "die" }
  | { readonly kind: "move"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "spin" };

export type TestEvent = { readonly what: "started" | "closed" };
export interface TestData {
  readonly failSetUp?: boolean;
  readonly failClose?: boolean;
  readonly holdLoop?: boolean;
  readonly text?: string;
}

await serveWorker<TestRequest, TestReply, TestEvent>(async (context) => {
  const data = context.data as TestData;
  await delay(1);
  if (data.failSetUp) throw new LockstepError("WEIGHTS_INVALID", "no such weights", { index: context.index });
  if (data.holdLoop) setInterval(() => {}, 1000);
  return [
    {
      echo: ({ text }) => ({ kind: "echo", text, worker: context.index, data: context.data }),
      slow: async ({ ms }, { signal }) => {
        context.emit({ what: "started" });
        const cancelled = await delay(ms, false, { signal }).catch(() => true);
        return { kind: "slow", cancelled };
      },
      fail: ({ how }) => {
        if (how === "typed") throw new LockstepError("NON_FINITE", "a NaN", { row: 3 });
        if (how === "plain") throw new TypeError("plain");
        return { kind: "fail", extra: () => {} };
      },
      die: ({ how }) => {
        if (how === "exit") process.exit(9);
        setImmediate(() => {
          throw new Error("uncaught in the worker");
        });
        return new Promise(() => {});
      },
      move: ({ bytes }) => new Transferred({ kind: "move", bytes }, [bytes.buffer]),
      spin: async ({ ms }) => {
        await markBusy(() => {
          context.emit({ what: "started" });
          for (const end = performance.now() + ms; performance.now() < end;);
        });
        return { kind: "spin" };
      },
    },
    {
      onClose: () => {
        if (data.failClose) throw new LockstepError("DISK_FAILED", "could not close");
        context.emit({ what: "closed" });
      },
    },
  ];
});
