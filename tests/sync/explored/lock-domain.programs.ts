/**
 * What threads know together about their locks (src/threads/sync/lock-domain.ts): its words, lists that are full, and
 * two threads that write, or write and read, at once. Offsets are those that the file's head lists.
 */
import assert from "node:assert/strict";
import { program, type ProgramSpec, type ThreadBody } from "../../../src/threads/explore/index.ts";
import { adoptDomain, LockDomain, threadDomain } from "../../../src/threads/sync/lock-domain.ts";
import type { Words } from "../../../src/threads/sync/words.ts";

const [CREATOR, SERIAL, LOCKS, BYTES, USED, NAMES] = [0, 1, 2, 3, 4, 5];
const TEXTS = NAMES + 1024;
const EDGES = TEXTS + 1024;
const SLOTS = EDGES + 1024;
const SLOT_WORDS = 21;
const TEXT = SLOTS + 64 * SLOT_WORDS;
const TEXT_BYTES = 48 * 1024;
/** Stands for every text that found no room. */
const NO_ROOM = 1023;

const [HOLDER, SLOT_SERIAL, COUNT] = [0, 1, 4];
const slotAt = (slot: number): number => SLOTS + slot * SLOT_WORDS;
const OTHER = 77;

const alone = (title: string, body: () => void) =>
  program<object>(import.meta.url, { title, setup: () => ({}), threads: [body] });

export const names = alone("a domain's name, its locks' numbers, and what they are called", () => {
  const domain = LockDomain.create(3);
  const { words } = domain;
  assert.deepEqual([words[CREATOR], words[SERIAL]], [2, 3]);
  assert.deepEqual([domain.register("one"), domain.register(undefined)], [1, 2]);
  assert.deepEqual([domain.nameOf(1), domain.nameOf(2)], ['"one"', "#2"]);
  assert.equal(domain.sameAs(new LockDomain(words)), true);
  const other = LockDomain.create(3);
  assert.equal(domain.sameAs(other), true); // by name: nobody makes two of one
  other.words[SERIAL] = 4;
  assert.equal(domain.sameAs(other), false);
  other.words[SERIAL] = 3;
  other.words[CREATOR] = OTHER;
  assert.equal(domain.sameAs(other), false);
  words[LOCKS] = 1022;
  assert.deepEqual([domain.register("last"), domain.register("more"), words[LOCKS]], [1023, 0, 1023]);
  assert.equal(domain.nameOf(1023), '"last"');
  assert.throws(() => new LockDomain(new Int32Array(words.length) as never), /no lock domain/);
  assert.throws(() => new LockDomain(words.subarray(1)), /no lock domain/);
  const own = threadDomain();
  assert.equal(threadDomain(), own);
  assert.equal(adoptDomain(other.words).words, other.words);
});

export const texts = alone("texts: each once, and what there is no room for", () => {
  const { words } = LockDomain.create(0);
  const domain = new LockDomain(words);
  assert.deepEqual(
    ["a", "b", "c", "b", "c", "a"].map((text) => domain.text(text)),
    [0, 1, 2, 1, 2, 0],
  );
  assert.deepEqual([domain.text(""), words[BYTES]], [NO_ROOM, 3]);
  words[BYTES] = TEXT_BYTES - 3;
  assert.deepEqual([domain.text("four"), words[BYTES]], [NO_ROOM, TEXT_BYTES - 3]);
  assert.deepEqual([domain.text("fit"), words[BYTES]], [3, TEXT_BYTES]);
  assert.equal(domain.text("d"), NO_ROOM);
  domain.appendEdge(0, 1, 2, "fit");
  domain.appendEdge(1, 2, 3, "no room");
  assert.deepEqual(domain.edges(), [
    { held: 1, acquired: 2, site: "fit" },
    { held: 2, acquired: 3, site: "(not recorded)" },
  ]);
  words[BYTES] = 3;
  words.fill(1, TEXTS, TEXTS + 1023); // each is "a"
  assert.deepEqual([domain.text("d"), words[BYTES]], [NO_ROOM, 3]);
});

export const edges = alone("edges: a full list takes no more, and nothing behind it is touched", () => {
  const { words } = LockDomain.create(0);
  const domain = new LockDomain(words);
  const slot = domain.publish(5, [6], "there")!;
  words.fill(1 | (2 << 10), EDGES, EDGES + 1023);
  assert.equal(domain.appendEdge(1023, 3, 4, "here"), true);
  const all = domain.edges();
  assert.deepEqual([all.length, all.at(-1)], [1024, { held: 3, acquired: 4, site: "here" }]);
  domain.withdraw(slot);
  assert.equal(domain.appendEdge(1024, 3, 4, "here"), true);
  assert.equal(words[slotAt(0) + HOLDER], 0);
});

export const slots = alone("waits: published, withdrawn, and taken back from the dead", () => {
  const { words } = LockDomain.create(0);
  const domain = new LockDomain(words);
  assert.deepEqual([domain.publish(5, [6, 7, 8], "there"), domain.publish(9, [], "here")], [0, 1]);
  assert.deepEqual([words[SLOTS - 1], words[slotAt(0) + SLOT_SERIAL], words[slotAt(1) + SLOT_SERIAL]], [0, 1, 1]);
  words[slotAt(1) + HOLDER] = OTHER + 1;
  assert.deepEqual(domain.waiting(), [
    { threadId: 1, waitingFor: 5, held: [6, 7, 8], site: "there" },
    { threadId: OTHER, waitingFor: 9, held: [], site: "here" },
  ]);
  domain.threadDied(OTHER - 1);
  domain.threadDied(OTHER + 1);
  assert.equal(domain.waiting().length, 2);
  domain.threadDied(OTHER);
  assert.deepEqual(
    domain.waiting().map(({ threadId }) => threadId),
    [1],
  );
  assert.equal(domain.publish(9, [], "here"), 1);
  domain.withdraw(1);
  domain.withdraw(0);
  assert.deepEqual(domain.waiting(), []);
  assert.deepEqual([domain.publish(5, [], "x"), words[slotAt(0) + SLOT_SERIAL], words[USED]], [0, 2, 2]);
  domain.publish(
    5,
    Array.from({ length: 20 }, (_, id) => id + 1),
    "x",
  );
  assert.deepEqual([words[slotAt(1) + COUNT], words[slotAt(2)]], [16, 0]);
  for (let slot = 2; slot < 64; slot++) words.set([OTHER, 1, 5, 0, 0], slotAt(slot));
  words[USED] = 64;
  assert.deepEqual([domain.publish(5, [], "x"), words[USED]], [null, 64]);
  const text = words[TEXT]!; // where a slot more would have its holder
  domain.threadDied(text - 1);
  assert.deepEqual([words[TEXT], domain.waiting().length], [text, 64]);
});

interface State {
  readonly words: Words;
}

const together = (
  title: string,
  prepare: (domain: LockDomain) => void,
  threads: readonly ThreadBody<State>[],
  check: NonNullable<ProgramSpec<State>["check"]>,
) =>
  program<State>(import.meta.url, {
    title,
    setup: () => {
      const { words } = LockDomain.create(0);
      prepare(new LockDomain(words));
      return { words };
    },
    threads,
    check,
  });

const saying =
  (text: string): ThreadBody<State> =>
  ({ words }) =>
    new LockDomain(words).text(text);

const publishing =
  (waitingFor: number, held: readonly number[], site: string): ThreadBody<State> =>
  ({ words }) =>
    new LockDomain(words).publish(waitingFor, held, site);

/** What is read of the one lock that is waited for: whose wait it is, and what that thread holds. */
const readers: ThreadBody<State> = ({ words }) =>
  new LockDomain(words).waiting().map(({ held, site }) => `${held.join()} ${site}`);

const sees = (...allowed: readonly string[]): NonNullable<ProgramSpec<State>["check"]> => {
  return (_state, { results }) => {
    for (const seen of results.at(-1) as readonly string[]) assert.ok(allowed.includes(seen), `a mixture: ${seen}`);
  };
};

export const races = {
  texts: together(
    "two threads add a text each",
    () => {},
    [saying("abc"), saying("xyz")],
    ({ words }, { results }) => {
      const domain = new LockDomain(words);
      assert.deepEqual([...results].sort(), [0, 1]);
      assert.deepEqual([domain.text("abc"), domain.text("xyz")], results);
    },
  ),
  lastBytes: together(
    "two threads add a text each, and there is room for one",
    ({ words }) => (words[BYTES] = TEXT_BYTES - 4),
    [saying("abc"), saying("xyz")],
    (_state, { results }) => {
      for (const place of results) assert.ok(place === NO_ROOM || place === 0 || place === 1, String(place));
      assert.ok(results.includes(NO_ROOM));
    },
  ),
  lastText: together(
    "two threads add a text each, and there is one place",
    ({ words }) => words.fill((4 << 8) | 1, TEXTS, TEXTS + 1022),
    [saying("abc"), saying("xyz")],
    ({ words }, { results }) => {
      assert.deepEqual([...results].sort(), [1022, NO_ROOM]);
      assert.equal(words[TEXTS + NO_ROOM], 0);
    },
  ),
  edges: together(
    "two threads append an edge at the same place: one has to look again",
    (domain) => void domain.text("here"),
    [
      ({ words }) => new LockDomain(words).appendEdge(0, 1, 2, "here"),
      ({ words }) => new LockDomain(words).appendEdge(0, 2, 1, "here"),
    ],
    (_state, { results }) => assert.deepEqual([...results].sort(), [false, true]),
  ),
  published: together(
    "a wait is published while another thread looks: it sees all of it or nothing",
    (domain) => {
      domain.publish(5, [6], "one");
      domain.withdraw(0);
      domain.text("two");
    },
    [publishing(5, [7], "two"), readers],
    sees("7 two"),
  ),
  republished: together(
    "a wait ends and another begins while another thread looks: it sees no mixture",
    (domain) => {
      domain.publish(5, [6], "one");
      domain.text("two");
    },
    [
      ({ words }) => {
        const domain = new LockDomain(words);
        domain.withdraw(0);
        domain.publish(5, [7], "two");
      },
      readers,
    ],
    sees("6 one", "7 two"),
  ),
  buried: together(
    "a dead thread's wait is taken back and a living one's put there while another thread looks",
    (domain) => {
      domain.publish(5, [6], "one");
      domain.words[slotAt(0) + HOLDER] = OTHER + 1;
      domain.text("two");
    },
    [
      ({ words }) => {
        const domain = new LockDomain(words);
        domain.threadDied(OTHER);
        domain.publish(5, [7], "two");
      },
      ({ words }) => new LockDomain(words).waiting().map(({ threadId, held }) => `${threadId} holds ${held.join()}`),
    ],
    sees(`${OTHER} holds 6`, "1 holds 7"),
  ),
  withdrawn: together(
    "a wait ends while another begins: what is published stays so",
    (domain) => {
      domain.publish(5, [6], "one");
    },
    [({ words }) => new LockDomain(words).withdraw(0), publishing(8, [9], "one")],
    ({ words }, { results }) => {
      assert.deepEqual(
        new LockDomain(words).waiting().map(({ waitingFor }) => waitingFor),
        [8],
      );
      assert.ok(results[1] === 0 || results[1] === 1);
    },
  ),
  used: together(
    "two threads find a new slot at once: none is out of sight",
    (domain) => void domain.text("one"),
    [
      publishing(5, [6], "one"),
      ({ words }) => {
        const domain = new LockDomain(words);
        const first = domain.publish(7, [], "one")!;
        domain.publish(8, [], "one");
        domain.withdraw(first);
      },
    ],
    ({ words }) =>
      assert.deepEqual(
        new LockDomain(words)
          .waiting()
          .map(({ waitingFor }) => waitingFor)
          .sort(),
        [5, 8],
      ),
  ),
};
