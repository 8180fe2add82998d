/**
 * A lock whose word is its owner, so that somebody who watches over the threads can free what a dead one held:
 * `lockstep explore dying-owner.programs.ts`.
 */
import assert from "node:assert/strict";
import { program } from "lockstep/explore";

interface State {
  readonly words: Int32Array<SharedArrayBuffer>;
}

const OWNER = 0;
const COUNT = 1;

function increment({ words }: State, { threadId }: { readonly threadId: number }): void {
  for (;;) {
    const owner = Atomics.compareExchange(words, OWNER, 0, threadId);
    if (owner === 0) break;
    Atomics.wait(words, OWNER, owner);
  }
  Atomics.add(words, COUNT, 1);
  Atomics.store(words, OWNER, 0);
  Atomics.notify(words, OWNER);
}

export const dyingOwner = program<State>(import.meta.url, {
  setup: () => ({ words: new Int32Array(new SharedArrayBuffer(8)) }),
  threads: [increment, increment],
  supervise: ({ words }, { threadId }) => {
    Atomics.compareExchange(words, OWNER, threadId, 0);
    Atomics.notify(words, OWNER);
  },
  check: ({ words }, { died }) => {
    assert.equal(words[OWNER], 0, "the lock is free");
    assert.ok(words[COUNT]! >= 2 - died.length, "who lives has counted");
  },
});
