/**
 * Programs of one thread: with nobody beside it there is one schedule, and whatever would be waited for in vain is a
 * deadlock. What others may do at one certain moment, it does itself, in the midst of its own call (`meanwhile`); what
 * they leave when they die, it writes into the words.
 */
import assert from "node:assert/strict";
import { program, type Program, type ThreadBody } from "../../../src/threads/explore/index.ts";

/** The explored thread's id, and one of nobody. */
export const SELF = 1;
export const OTHER = 77;

type Words = Int32Array<SharedArrayBuffer>;
type Access = "load" | "store" | "compareExchange" | "exchange" | "add" | "notify";
type Function = (this: void, words: Words, index: number, ...rest: number[]) => unknown;

export const aloneIn =
  (url: string) =>
  (title: string, body: ThreadBody<object>): Program<object> =>
    program<object>(url, {
      title: `alone: ${title}`,
      setup: () => ({}),
      threads: [
        async (state, context) => {
          try {
            return await body(state, context);
          } finally {
            undo();
          }
        },
      ],
    });

const replaced = new Map<Access, Function>();

/** Takes back what is left of `meanwhile`. */
function undo(): void {
  for (const [access, original] of replaced) (Atomics as unknown as Record<Access, Function>)[access] = original;
  replaced.clear();
}

/**
 * `act` happens once, right after the `nth` access of this kind to this word from now on: what another thread may do
 * there.
 */
export function meanwhile(access: Access, words: Words, index: number, act: () => void, nth = 1): void {
  const atomics = Atomics as unknown as Record<Access, Function>;
  const original = atomics[access];
  if (!replaced.has(access)) replaced.set(access, original);
  let left = nth;
  atomics[access] = (array, at, ...rest) => {
    const result = original(array, at, ...rest);
    if (left > 0 && array.buffer === words.buffer && at === index && --left === 0) act();
    return result;
  };
}

export const throws = (code: string, perform: () => unknown, message = /(?:)/): void =>
  assert.throws(perform, (thrown: unknown) => {
    assert.equal((thrown as { code?: string }).code, code, String(thrown));
    assert.match((thrown as Error).message, message);
    return true;
  });

export const rejects = async (code: string, pending: Promise<unknown>): Promise<void> => {
  const thrown = await pending.then(
    () => assert.fail("it was not refused"),
    (reason: unknown) => reason as { code?: string },
  );
  assert.equal(thrown.code, code, String(thrown));
};

/** How many waits lie in the queues of these words. */
export const listeners = (words: Words): number => {
  let found = 0;
  for (let index = 0; index < words.length; index++) found += Atomics.notify(words, index);
  return found;
};

/** Lets tasks of this thread that can go on do so. */
export const others = async (): Promise<void> => {
  for (let round = 0; round < 20; round++) await Promise.resolve();
};
