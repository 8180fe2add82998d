/**
 * Read-write locks under which one side may wait for ever. No finite program waits for ever; what shows is that
 * somebody who came after a waiter goes before it, which these programs assert does not happen. The twin of both serves
 * readers and writers in the order of their tickets.
 */
import assert from "node:assert/strict";
import { program } from "../../../src/threads/explore/program.ts";
import { startingAs, type State, type Words } from "./words.ts";

/** `queued` is called before the first sleep. */
interface ReadWriteLock {
  read(words: Words, queued: () => void): void;
  endRead(words: Words): void;
  write(words: Words, queued: () => void): void;
  endWrite(words: Words): void;
}

/** −1: a writer has it; else how many readers have it. */
const HOLDERS = 0;
/** Writers that wait or write. */
const WRITERS = 1;

function writeWhenFree(words: Words, queued: () => void): void {
  for (let first = true; ; first = false) {
    const holders = Atomics.compareExchange(words, HOLDERS, 0, -1);
    if (holders === 0) return;
    if (first) queued();
    Atomics.wait(words, HOLDERS, holders);
  }
}

function endRead(words: Words): void {
  if (Atomics.sub(words, HOLDERS, 1) === 1) Atomics.notify(words, HOLDERS);
}

/** A reader enters whenever readers are inside: as long as they overlap, a writer never does. */
const readersFirst: ReadWriteLock = {
  read(words, queued) {
    for (;;) {
      const holders = Atomics.load(words, HOLDERS);
      if (holders >= 0) {
        if (Atomics.compareExchange(words, HOLDERS, holders, holders + 1) === holders) return;
      } else {
        queued();
        Atomics.wait(words, HOLDERS, holders);
      }
    }
  },
  endRead,
  write: writeWhenFree,
  endWrite(words) {
    Atomics.store(words, HOLDERS, 0);
    Atomics.notify(words, HOLDERS);
  },
};

/** A reader stays outside while a writer waits: as long as they follow each other, no reader enters. */
const writersFirst: ReadWriteLock = {
  read(words, queued) {
    for (;;) {
      const writers = Atomics.load(words, WRITERS);
      if (writers > 0) {
        queued();
        Atomics.wait(words, WRITERS, writers);
        continue;
      }
      const holders = Atomics.load(words, HOLDERS);
      if (holders < 0) Atomics.wait(words, HOLDERS, holders);
      else if (Atomics.compareExchange(words, HOLDERS, holders, holders + 1) === holders) return;
    }
  },
  endRead,
  write(words, queued) {
    Atomics.add(words, WRITERS, 1);
    writeWhenFree(words, queued);
  },
  endWrite(words) {
    Atomics.store(words, HOLDERS, 0);
    Atomics.notify(words, HOLDERS);
    if (Atomics.sub(words, WRITERS, 1) === 1) Atomics.notify(words, WRITERS);
  },
};

const TICKET = 0;
/** The ticket that may read, the ticket that may write. */
const READING = 1;
const WRITING = 2;

function awaitTurn(words: Words, at: number, ticket: number, queued: () => void): void {
  for (let turn = Atomics.load(words, at); turn !== ticket; turn = Atomics.load(words, at)) {
    queued();
    Atomics.wait(words, at, turn);
  }
}

function advance(words: Words, at: number): void {
  Atomics.add(words, at, 1);
  Atomics.notify(words, at);
}

const inOrder: ReadWriteLock = {
  read(words, queued) {
    awaitTurn(words, READING, Atomics.add(words, TICKET, 1), queued);
    advance(words, READING);
  },
  endRead: (words) => advance(words, WRITING),
  write: (words, queued) => awaitTurn(words, WRITING, Atomics.add(words, TICKET, 1), queued),
  endWrite(words) {
    advance(words, READING);
    advance(words, WRITING);
  },
};

/** The victim waits; it has been served. */
const QUEUED = 3;
const SERVED = 4;

type Side = "read" | "write";

const once =
  (locked: ReadWriteLock, side: Side, queued: (words: Words) => void, inside: (words: Words) => void) =>
  ({ words }: State): void => {
    locked[side](words, () => queued(words));
    inside(words);
    if (side === "read") locked.endRead(words);
    else locked.endWrite(words);
  };

/** One of the victim's side; two of the other, of which the first may hold the lock and the second may come later. */
function overtaking(locked: ReadWriteLock, victim: Side) {
  const other: Side = victim === "read" ? "write" : "read";
  const overtaker = ({ words }: State): void => {
    const late = Atomics.load(words, QUEUED) === 1;
    once(
      locked,
      other,
      () => {},
      () =>
        assert.ok(
          !late || Atomics.load(words, SERVED) === 1,
          `came after one that waits to ${victim}, and went before it`,
        ),
    )({ words });
  };
  return program<State>(import.meta.url, {
    setup: startingAs(0, 0, 0, 0, 0),
    threads: [
      once(
        locked,
        victim,
        (words) => {
          Atomics.store(words, QUEUED, 1);
        },
        (words) => {
          Atomics.store(words, SERVED, 1);
        },
      ),
      overtaker,
      overtaker,
    ],
  });
}

export const writerStarvation = { bug: overtaking(readersFirst, "write"), twin: overtaking(inOrder, "write") };
export const readerStarvation = { bug: overtaking(writersFirst, "read"), twin: overtaking(inOrder, "read") };
