/**
 * A cyclic barrier: `parties` threads meet, then all go on. A dead or failing member is announced with `abort`, which
 * wakes everyone; without it the others would sleep for ever.
 *
 * Words: 0 ROUND   bits 0..27 its number, bits 28..30 abort reason (0: none)
 *        1 ARRIVED how many have come in this round
 *        2 PARTIES constant, stored before the handle exists
 *        3 EVENTS  changes after ROUND has changed; waiters sleep here
 *
 * Transitions of a waiter that read ROUND = r:
 *   arrive, not the last   ARRIVED += 1; read EVENTS; while ROUND == r sleep while EVENTS is unchanged
 *   arrive, the last       ARRIVED = 0, then ROUND: r → r + 1 by compare-and-set; EVENTS += 1, wake all
 *   abort(reason)          ROUND: r → r with reason, by compare-and-set; EVENTS += 1, wake all; final
 * Who reads ROUND again sees one of three: the same r (spurious wake-up: sleep again), another round (passed), the same
 * round with a reason (throw it). Completion and abort compete for the same word, so **a round is passed by all or by
 * none**, and an abort after it is met at the next `wait`.
 *
 * Why ARRIVED is reset before ROUND moves: a thread of the next round adds to ARRIVED only after it saw the new ROUND.
 * Why a time limit, a signal or a waiter's abort word aborts for everyone: a party that left would make the count wrong
 * for the others. Deaths: a party that died will never arrive, so `threadDied` aborts with WORKER_DIED: give a
 * supervisor only barriers in which every thread that it supervises is a party. It wakes all as well, since the dead
 * one may have been the last to arrive and about to. Rounds wrap at 2^28; a sleeper is a party itself, so at most
 * one round can pass it by. Memory order: every access is sequentially consistent, and each arrival is a
 * read-modify-write of ARRIVED, so what any party wrote before `wait` happens before what any party reads after it.
 * Sense-reversing form after Hensgen, Finkel and Manber (1988), with the round as the sense.
 */
import { isLockstepError, LockstepError } from "../../base/index.ts";
import {
  ABORT_REASONS,
  abortError,
  reasonNumber,
  reasonOf,
  type Abortable,
  type AbortReason,
  type Wakeable,
} from "./abort.ts";
import { whole } from "./arguments.ts";
import type { Supervised } from "./owner-died.ts";
import { tellAll } from "./sleepers.ts";
import { deadlineOf, sleep, sleepAsync, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

const ROUND = 0;
const ARRIVED = 1;
const PARTIES = 2;
const EVENTS = 3;
const ROUND_BITS = 0x0fff_ffff;
const REASON_SHIFT = 28;

export type BarrierHandle = SyncHandle<"barrier">;

export class Barrier implements Abortable, Supervised, Wakeable {
  readonly handle: BarrierHandle;
  readonly #words: Words;

  private constructor(handle: BarrierHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "barrier", 4);
  }

  /** `parties`: 1 to 2^31 − 1. */
  static create(parties: number): Barrier {
    whole("the number of a barrier's parties", parties, 1, 2 ** 31 - 1);
    const words = allocateWords(4);
    words[PARTIES] = parties;
    return new Barrier({ kind: "barrier", words });
  }

  static attach(handle: BarrierHandle): Barrier {
    return new Barrier(handle);
  }

  get parties(): number {
    return load(this.#words, PARTIES);
  }

  get aborted(): AbortReason | null {
    return reasonOf(load(this.#words, ROUND) >> REASON_SHIFT);
  }

  /**
   * Blocks until all parties have come. True for exactly one of them (the last). Throws the abort's reason
   * (CANCELLED, WORKER_DIED, INTERNAL), or TIMEOUT for every party when one waited longer than its limit. `abort`: a
   * party that leaves aborts the barrier for all, with its word's reason.
   */
  wait(options: WaitOptions = {}): boolean {
    const deadline = deadlineOf(options);
    const round = this.#arrive();
    if (round === null) return true;
    for (;;) {
      const events = load(this.#words, EVENTS);
      if (this.#passed(round)) return false;
      try {
        if (!sleep(this.#words, EVENTS, events, deadline, "a barrier", options.abort))
          this.#abortRound(round, "TIMEOUT");
      } catch (thrown) {
        this.#abortRound(round, reasonFor(thrown)); // what happened to the round is read again above
      }
    }
  }

  /** The same for a party that must not block. A signal aborts the barrier for all. */
  async waitAsync(options: AsyncWaitOptions = {}): Promise<boolean> {
    const deadline = deadlineOf(options);
    const round = this.#arrive();
    if (round === null) return true;
    for (;;) {
      const events = load(this.#words, EVENTS);
      if (this.#passed(round)) return false;
      try {
        if (!(await sleepAsync(this.#words, EVENTS, events, deadline, "a barrier", options.signal, options.abort)))
          this.#abortRound(round, "TIMEOUT");
      } catch (thrown) {
        this.#abortRound(round, reasonFor(thrown));
      }
    }
  }

  abort(reason: AbortReason): boolean {
    reasonNumber(reason);
    for (;;) {
      const round = load(this.#words, ROUND);
      if (round >> REASON_SHIFT !== 0) return false;
      if (this.#abortRound(round, reason)) return true;
    }
  }

  wakeAll(): void {
    tellAll(this.#words, EVENTS);
  }

  /** Aborts with WORKER_DIED. True unless it was aborted before. */
  threadDied(): boolean {
    const aborted = this.abort("WORKER_DIED");
    this.wakeAll();
    return aborted;
  }

  /** Null: the last party, which has opened the barrier. Else the round to sleep on. */
  #arrive(): number | null {
    const round = load(this.#words, ROUND);
    this.#throwIfAborted(round);
    const arrived = Atomics.add(this.#words, ARRIVED, 1) + 1;
    const parties = this.parties;
    if (arrived < parties) return round;
    if (arrived > parties)
      throw new LockstepError("CONFLICT", `a barrier of ${parties} parties was entered by ${arrived} threads at once`, {
        parties,
        arrived,
      });
    Atomics.store(this.#words, ARRIVED, 0);
    if (!cas(this.#words, ROUND, round, (round + 1) & ROUND_BITS)) this.#throwIfAborted(load(this.#words, ROUND));
    this.wakeAll();
    return null;
  }

  #passed(round: number): boolean {
    const now = load(this.#words, ROUND);
    if ((now & ROUND_BITS) !== round) return true;
    this.#throwIfAborted(now);
    return false;
  }

  #abortRound(round: number, reason: AbortReason): boolean {
    if (!cas(this.#words, ROUND, round, round | (reasonNumber(reason) << REASON_SHIFT))) return false;
    this.wakeAll();
    return true;
  }

  #throwIfAborted(round: number): void {
    const reason = reasonOf(round >> REASON_SHIFT);
    if (reason !== null) throw abortError(reason, "a barrier");
  }
}

/** Why a wait was given up: the reason of an abort word, or a signal's CANCELLED. */
function reasonFor(thrown: unknown): AbortReason {
  const reason = isLockstepError(thrown) ? ABORT_REASONS.find((known) => known === thrown.code) : undefined;
  if (reason === undefined) throw thrown;
  return reason;
}
