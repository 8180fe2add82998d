/**
 * What the threads of a process know together about their locks: one SharedArrayBuffer that travels inside every lock's
 * handle. Locks of one domain are checked against each other (lock-order.ts, held.ts); it plays no part in who gets a
 * lock, so a full table only means fewer checks.
 *
 * Words: 0 CREATOR, 1 SERIAL   the domain's name: the thread that made it and how many it had made before
 *        2 LOCKS               how many lock ids were given out; ids count from 1, 0 means "not checked"
 *        3 BYTES               how many bytes of TEXT were given out
 *        4 USED                slots that were ever claimed: all below it
 *        NAMES   a word per lock: number of the text that is its name + 1; stored before the lock's handle exists
 *        TEXTS   append-only list: offset << 8 | length; names and call sites, each once
 *        EDGES   append-only list: held | acquired << 10 | text << 20; "while the one was held the other was acquired,
 *                there"
 *        SLOTS   threads that are about to sleep without limit, with something held:
 *                HOLDER threadId + 1 (claimed from 0 by compare-and-set), SERIAL changes with every claim, WAITING
 *                which lock (stored last: published), SITE text, COUNT and up to 16 HELD; a lock is its id, + 1024
 *                where it is held or waited for in common with others
 *        TEXT    bytes, UTF-8
 * Append-only lists end at their first zero. An entry is one word, appended by compare-and-set from zero, so a death
 * leaves no half of one; the bytes of a text are written before the entry that names them (sequentially consistent),
 * and never again: no reader races. A slot is written by its holder only, with `Atomics`; a reader takes it if SERIAL
 * and WAITING are the same before and after. A dead holder's slot is freed by `threadDied`.
 */
import { threadId } from "node:worker_threads";
import { forgetBetweenSchedules, invariant } from "../../base/index.ts";
import { allocateWords, cas, load, type Words } from "./words.ts";

const MAX_LOCKS = 1023;
const MAX_ENTRIES = 1024;
const MAX_SLOTS = 64;
const MAX_HELD = 16;
const MAX_TEXT = 255;
const TEXT_BYTES = 48 * 1024;

const CREATOR = 0;
const SERIAL = 1;
const LOCKS = 2;
const BYTES = 3;
const USED = 4;
const NAMES = 5;
const TEXTS = NAMES + MAX_LOCKS + 1;
const EDGES = TEXTS + MAX_ENTRIES;
const SLOTS = EDGES + MAX_ENTRIES;
const SLOT_WORDS = 5 + MAX_HELD;
const TEXT = SLOTS + MAX_SLOTS * SLOT_WORDS;
const DOMAIN_WORDS = TEXT + TEXT_BYTES / 4;

const HOLDER = 0;
const SLOT_SERIAL = 1;
const WAITING = 2;
const SITE = 3;
const COUNT = 4;
const HELD = 5;

/** In a lock's handle: its domain and its number there. */
export interface LockRef {
  readonly domain: Words;
  readonly id: number;
  /** Also in the domain, for the messages of threads that have not attached the lock. */
  readonly name: string | null;
  /** Whether the order in which it is acquired is checked. */
  readonly ordered: boolean;
}

export interface Edge {
  readonly held: number;
  readonly acquired: number;
  readonly site: string;
}

/** A thread that is about to sleep, as the others see it. */
export interface Waiting {
  readonly threadId: number;
  readonly waitingFor: number;
  readonly held: readonly number[];
  readonly site: string;
}

export class LockDomain {
  readonly words: Words;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;

  constructor(words: Words) {
    invariant(
      words instanceof Int32Array && words.buffer instanceof SharedArrayBuffer && words.length === DOMAIN_WORDS,
      "a lock's handle carries no lock domain",
    );
    this.words = words;
    this.#bytes = new Uint8Array(words.buffer, words.byteOffset + 4 * TEXT, TEXT_BYTES);
  }

  static create(serial: number): LockDomain {
    const words = allocateWords(DOMAIN_WORDS);
    words[CREATOR] = threadId + 1;
    words[SERIAL] = serial;
    return new LockDomain(words);
  }

  /** Two views of the same memory are different objects in JavaScript: domains are compared by name. */
  sameAs(other: LockDomain): boolean {
    return (
      this === other || (this.words[CREATOR] === other.words[CREATOR] && this.words[SERIAL] === other.words[SERIAL])
    );
  }

  /** A new lock's id; 0, not checked, when all are given out. */
  register(name: string | undefined): number {
    if (load(this.words, LOCKS) >= MAX_LOCKS) return 0;
    const id = Atomics.add(this.words, LOCKS, 1) + 1;
    if (id > MAX_LOCKS) return 0;
    if (name !== undefined) Atomics.store(this.words, NAMES + id, this.text(name) + 1);
    return id;
  }

  /** `"queue"`, or `#7` for a lock without a name. */
  nameOf(id: number): string {
    const text = load(this.words, NAMES + id);
    return text === 0 ? `#${id}` : `"${this.#textAt(text - 1)}"`;
  }

  /** The number of a text, which is added if it is new. The last number stands for every text that found no room. */
  text(value: string): number {
    const bytes = Buffer.from(value, "utf8").subarray(-MAX_TEXT); // the end of a path says most
    let place = 0;
    for (let entry = load(this.words, TEXTS); entry !== 0; entry = load(this.words, TEXTS + place)) {
      if (this.#bytesOf(entry).equals(bytes)) return place;
      if (++place === MAX_ENTRIES - 1) return place;
    }
    if (bytes.length === 0 || load(this.words, BYTES) + bytes.length > TEXT_BYTES) return MAX_ENTRIES - 1;
    const offset = Atomics.add(this.words, BYTES, bytes.length);
    if (offset + bytes.length > TEXT_BYTES) return MAX_ENTRIES - 1;
    this.#bytes.set(bytes, offset);
    return append(this.words, TEXTS, place, MAX_ENTRIES - 1, (offset << 8) | bytes.length) ?? MAX_ENTRIES - 1;
  }

  /** Every edge, in the order in which they were recorded. */
  edges(): readonly Edge[] {
    const edges: Edge[] = [];
    for (let place = 0; place < MAX_ENTRIES; place++) {
      const entry = load(this.words, EDGES + place);
      if (entry === 0) break;
      edges.push({ held: entry & 0x3ff, acquired: (entry >>> 10) & 0x3ff, site: this.#textAt(entry >>> 20) });
    }
    return edges;
  }

  /**
   * Appends an edge after the first `seen`; false if somebody else has appended one there, which must be looked at
   * first. A full list takes no more.
   */
  appendEdge(seen: number, held: number, acquired: number, site: string): boolean {
    return seen >= MAX_ENTRIES || cas(this.words, EDGES + seen, 0, held | (acquired << 10) | (this.text(site) << 20));
  }

  /** Makes this thread's wait known to the others. The slot, for `withdraw`; null when all are taken. */
  publish(waitingFor: number, held: readonly number[], site: string): number | null {
    const text = this.text(site);
    for (let slot = 0; slot < MAX_SLOTS; slot++) {
      const at = SLOTS + slot * SLOT_WORDS;
      if (slot >= load(this.words, USED)) cas(this.words, USED, slot, slot + 1); // else another thread has just done it
      if (!cas(this.words, at + HOLDER, 0, threadId + 1)) continue;
      Atomics.add(this.words, at + SLOT_SERIAL, 1);
      Atomics.store(this.words, at + SITE, text);
      Atomics.store(this.words, at + COUNT, Math.min(held.length, MAX_HELD));
      held.slice(0, MAX_HELD).forEach((id, place) => Atomics.store(this.words, at + HELD + place, id));
      Atomics.store(this.words, at + WAITING, waitingFor);
      return slot;
    }
    return null;
  }

  withdraw(slot: number): void {
    const at = SLOTS + slot * SLOT_WORDS;
    Atomics.store(this.words, at + WAITING, 0);
    Atomics.store(this.words, at + HOLDER, 0);
  }

  /** All published waits. */
  waiting(): readonly Waiting[] {
    const found: Waiting[] = [];
    const end = SLOTS + load(this.words, USED) * SLOT_WORDS;
    for (let at = SLOTS; at < end; at += SLOT_WORDS) {
      const serial = load(this.words, at + SLOT_SERIAL);
      const waitingFor = load(this.words, at + WAITING);
      if (waitingFor === 0) continue;
      const holder = load(this.words, at + HOLDER);
      const site = load(this.words, at + SITE);
      const held = Array.from({ length: load(this.words, at + COUNT) }, (_, place) =>
        load(this.words, at + HELD + place),
      );
      if (load(this.words, at + WAITING) !== waitingFor || load(this.words, at + SLOT_SERIAL) !== serial) continue;
      found.push({ threadId: holder - 1, waitingFor, held, site: this.#textAt(site) });
    }
    return found;
  }

  /** A dead thread waits for nothing. */
  threadDied(deadThreadId: number): void {
    const used = load(this.words, USED);
    for (let slot = 0; slot < used; slot++) {
      if (load(this.words, SLOTS + slot * SLOT_WORDS + HOLDER) === deadThreadId + 1) this.withdraw(slot);
    }
  }

  #textAt(place: number): string {
    const entry = load(this.words, TEXTS + place);
    return entry === 0 ? "(not recorded)" : this.#bytesOf(entry).toString("utf8");
  }

  #bytesOf(entry: number): Buffer {
    const offset = entry >>> 8;
    return Buffer.from(this.#bytes.slice(offset, offset + (entry & 0xff)));
  }
}

/** Appends to a list that ends at its first zero, from `place` on; the entry's place, or null when the list is full. */
function append(words: Words, list: number, place: number, limit: number, entry: number): number | null {
  for (let at = place; at < limit; at++) if (cas(words, list + at, 0, entry)) return at;
  return null;
}

let own: LockDomain | null = null;
let made = 0;

forgetBetweenSchedules(() => {
  own = null;
  made = 0;
});

/** This thread's domain, for the locks that it creates: that of the first lock it attached, or else one of its own. */
export function threadDomain(): LockDomain {
  return (own ??= LockDomain.create(made++));
}

/** The domain of an attached lock; a thread that has none yet takes it for its own. */
export function adoptDomain(words: Words): LockDomain {
  const domain = new LockDomain(words);
  own ??= domain;
  return domain.sameAs(own) ? own : domain;
}
