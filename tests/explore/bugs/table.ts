/**
 * Every seeded bug: where it is, what the explorer must call it, and under which options; its twin must pass under the
 * same, completely.
 */
import type { ExploreOptions, FailureKind, Program } from "../../../src/threads/explore/index.ts";
import { abandonedWait } from "./abandoned.ts";
import { barrierReuse } from "./barrier.ts";
import { pinWithoutRecheck, reuseBeforeUnpin, tornRead } from "./cells.ts";
import { aba } from "./free-list.ts";
import { leakedWaiter, lostOnAbort, lostOnTimeout } from "./gates.ts";
import { deadOwner, doubleRelease, lockInversion } from "./locks.ts";
import { checkThenAct } from "./mailbox.ts";
import { doubleChecked, lostUpdate, plainIncrement, plainPointer, twoSizes } from "./plain.ts";
import { readerStarvation, writerStarvation } from "./starvation.ts";
import { loweredFlag, missingRecheck, notifyBeforeStore } from "./waiting.ts";

/* eslint-disable @typescript-eslint/no-explicit-any -- programs of every state in one table */
interface Pair {
  readonly bug: Program<any>;
  readonly twin: Program<any>;
}
/* eslint-enable @typescript-eslint/no-explicit-any */

export interface SeededBug extends Pair {
  readonly name: string;
  readonly file: string;
  readonly kind: FailureKind;
  readonly options: ExploreOptions;
}

const row = (
  name: string,
  file: string,
  kind: FailureKind,
  pair: Pair,
  options: ExploreOptions = { strategy: "auto" },
): SeededBug => ({ name, file, kind, ...pair, options });

export const bugs: readonly SeededBug[] = [
  row("no second look after a wait", "waiting.ts", "exception", missingRecheck),
  row("notify before store", "waiting.ts", "lost wake-up", notifyBeforeStore),
  row("a spin on a flag that is lowered again", "waiting.ts", "livelock", loweredFlag, {
    strategy: "auto",
    maxSteps: 500,
  }),
  row("torn read of a seqlock", "cells.ts", "exception", tornRead),
  row("reuse of a slot before it is unpinned", "cells.ts", "race", reuseBeforeUnpin),
  row("a pin that does not look again", "cells.ts", "race", pinWithoutRecheck),
  row("ABA in a free list", "free-list.ts", "exception", aba),
  row("barrier reuse: the second round overtakes the first", "barrier.ts", "deadlock", barrierReuse),
  row("writers starve", "starvation.ts", "exception", writerStarvation),
  row("readers starve", "starvation.ts", "exception", readerStarvation),
  row("lock inversion", "locks.ts", "deadlock", lockInversion),
  row("double release", "locks.ts", "race", doubleRelease),
  row("an owner that dies between acquiring and recording", "locks.ts", "deadlock", deadOwner, {
    strategy: "bounded",
    preemptions: 2,
  }),
  row("plain increments", "plain.ts", "race", plainIncrement),
  row("lost update between atomics", "plain.ts", "check", lostUpdate),
  row("plain read of a published pointer", "plain.ts", "race", plainPointer),
  row("double-checked initialization with a plain flag", "plain.ts", "race", doubleChecked),
  row("overlapping atomics of two sizes", "plain.ts", "race", twoSizes),
  row("wake-up lost on abort", "gates.ts", "deadlock", lostOnAbort),
  row("permit lost on a time limit", "gates.ts", "check", lostOnTimeout),
  row("a time limit that leaks a waiter count", "gates.ts", "check", leakedWaiter),
  row("wake-up swallowed by an abandoned asynchronous wait", "abandoned.ts", "lost wake-up", abandonedWait),
  row("check, then act, on a mailbox", "mailbox.ts", "check", checkThenAct),
];
