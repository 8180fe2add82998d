/**
 * ABA: a free list (R. K. Treiber 1986) of nodes 1 to 3, whose head is a bare index. Between a thread's look at the
 * head and its compare-and-set, others may have taken that node and the next and put the first back: the head is the
 * same, and the next node is somebody else's. The twin counts the changes of the head in its upper bits.
 */
import assert from "node:assert/strict";
import { program } from "../../../src/threads/explore/program.ts";
import { startingAs, type State, type Words } from "./words.ts";

const HEAD = 0;
const next = (node: number): number => node;
const holders = (node: number): number => 3 + node;
const NODE = 0xff;
const CHANGE = 0x100;

type Head = (head: number, node: number) => number;
const bare: Head = (_head, node) => node;
const counted: Head = (head, node) => ((head & ~NODE) + CHANGE) | node;

function pop(words: Words, make: Head): number {
  for (;;) {
    const head = Atomics.load(words, HEAD);
    const node = head & NODE;
    if (node === 0) return 0;
    const after = Atomics.load(words, next(node));
    if (Atomics.compareExchange(words, HEAD, head, make(head, after)) !== head) continue;
    assert.equal(Atomics.add(words, holders(node), 1), 0, `node ${node} was given to two threads`);
    return node;
  }
}

function push(words: Words, node: number, make: Head): void {
  Atomics.sub(words, holders(node), 1);
  for (;;) {
    const head = Atomics.load(words, HEAD);
    Atomics.store(words, next(node), head & NODE);
    if (Atomics.compareExchange(words, HEAD, head, make(head, node)) === head) return;
  }
}

const listing = (make: Head) =>
  program<State>(import.meta.url, {
    setup: startingAs(1, 2, 3, 0, 0, 0, 0),
    threads: [
      ({ words }) => {
        pop(words, make);
        pop(words, make);
      },
      ({ words }) => {
        const first = pop(words, make);
        pop(words, make);
        if (first !== 0) push(words, first, make);
      },
    ],
  });

export const aba = { bug: listing(bare), twin: listing(counted) };
