/**
 * Waking only if somebody sleeps. `Atomics.notify` costs three loads even when nobody does; so who goes to sleep says
 * so first, by a bit in a FLAGS word, and who has changed something looks at that bit. Several kinds of sleepers share
 * one FLAGS word, a bit each, with a sequence word for each kind; so one load answers for all of them.
 *
 * sleeper   s = SEQUENCE; FLAGS |= bit; look at the state; sleep while SEQUENCE == s
 * changer   change the state; if FLAGS has the bit: SEQUENCE += 1, notify one; if none slept: FLAGS −= bit, SEQUENCE +=
 *           1, notify all
 *
 * Why no wake-up is lost: all of it is sequentially consistent. Either the changer's load of FLAGS comes after the
 * sleeper's bit, and then SEQUENCE changes after `s` was read, so that the sleep ends or does not begin; or it comes
 * before, and then the sleeper's look at the state sees the change. Why the bit is taken back in this order: a sleeper
 * whose bit is lost had read SEQUENCE before, so the second step reaches it; one that sets the bit after that keeps it.
 * A bit that nobody needs any more costs one vain notification. Deaths: a dead sleeper leaves at most its bit; a
 * changer that dies between its change and the notification leaves sleepers asleep, so whoever hears of a death wakes
 * all.
 */
import { load, type Words } from "./words.ts";

/**
 * For whoever has changed what sleepers look at, where it is not worth a flag to know whether there are any: all look
 * again. The add comes first, so that one who is about to sleep does not.
 */
export function tellAll(words: Words, sequence: number): void {
  Atomics.add(words, sequence, 1);
  Atomics.notify(words, sequence);
}

/** Call before the look at the state that decides whether to sleep. Returns the value to sleep on. */
export function announce(words: Words, flags: number, bit: number, sequence: number): number {
  const seen = load(words, sequence);
  Atomics.or(words, flags, bit);
  return seen;
}

/** For changes that one sleeper of this kind can use. The caller has seen the bit. */
export function wakeOne(words: Words, flags: number, bit: number, sequence: number): void {
  Atomics.add(words, sequence, 1);
  if (Atomics.notify(words, sequence, 1) === 0) wakeEverybody(words, flags, bit, sequence);
}

/** Makes every sleeper of this kind look again, whether it sleeps already or is about to. */
export function wakeEverybody(words: Words, flags: number, bit: number, sequence: number): void {
  Atomics.and(words, flags, ~bit);
  tellAll(words, sequence);
}
