/**
 * A cyclic barrier: `parties` threads meet, then all go on. A dead or failing member is announced with `abort`, which
 * wakes everyone; without it the others would sleep for ever.
 *
 * Words: 0 PHASE   bits 0..27 generation, bits 28..30 abort reason (0: none)
 *        1 ARRIVED how many have come in this generation
 *        2 PARTIES constant, stored before the handle exists
 *        3 EVENTS  changes after PHASE has changed; waiters sleep here
 *
 * Transitions of a waiter that read PHASE = g:
 *   arrive, not the last   ARRIVED += 1; read EVENTS; while PHASE == g sleep while EVENTS is unchanged
 *   arrive, the last       ARRIVED = 0, then PHASE: g → g + 1 by compare-and-set; EVENTS += 1, wake all
 *   abort(reason)          PHASE: g → g with reason, by compare-and-set; EVENTS += 1, wake all; final
 * Who reads PHASE again sees one of three: the same g (spurious wake-up: sleep again), another generation (passed),
 * the same generation with a reason (throw it). Completion and abort compete for the same word, so **a generation is
 * passed by all or by none**, and an abort after it is met at the next `wait`.
 *
 * Why ARRIVED is reset before PHASE moves: a thread of the next generation adds to ARRIVED only after it saw the new
 * PHASE.
 * Why a time limit, a signal or a waiter's abort word aborts for everyone: a party that left would make the count wrong
 * for the others. Deaths: a party that died will never arrive, so `threadDied` aborts with WORKER_DIED: give a
 * supervisor only barriers in which every thread that it supervises is a party. It wakes all as well, since the dead
 * one may have been the last to arrive and about to. Generations wrap at 2^28; a sleeper is a party itself, so at most
 * one generation can pass over it. Memory order: every access is sequentially consistent, and each arrival is a
 * read-modify-write of ARRIVED, so what any party wrote before `wait` happens before what any party reads after it.
 * Sense-reversing form after Hensgen, Finkel and Manber (1988), with the generation as the sense.
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

const PHASE = 0;
const ARRIVED = 1;
const PARTIES = 2;
const EVENTS = 3;
const GENERATION = 0x0fff_ffff;
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
    return reasonOf(load(this.#words, PHASE) >> REASON_SHIFT);
  }

  /**
   * Blocks until all parties have come. True for exactly one of them (the last). Throws the abort's reason
   * (CANCELLED, WORKER_DIED, INTERNAL), or TIMEOUT for every party when one waited longer than its limit. `abort`: a
   * party that leaves aborts the barrier for all, with its word's reason.
   */
  wait(options: WaitOptions = {}): boolean {
    const deadline = deadlineOf(options);
    const phase = this.#arrive();
    if (phase === null) return true;
    for (;;) {
      const events = load(this.#words, EVENTS);
      if (this.#passed(phase)) return false;
      try {
        if (!sleep(this.#words, EVENTS, events, deadline, "a barrier", options.abort))
          this.#abortPhase(phase, "TIMEOUT");
      } catch (thrown) {
        this.#abortPhase(phase, reasonFor(thrown)); // what happened to the phase is read again above
      }
    }
  }

  /** The same for a party that must not block. A signal aborts the barrier for all. */
  async waitAsync(options: AsyncWaitOptions = {}): Promise<boolean> {
    const deadline = deadlineOf(options);
    const phase = this.#arrive();
    if (phase === null) return true;
    for (;;) {
      const events = load(this.#words, EVENTS);
      if (this.#passed(phase)) return false;
      try {
        if (!(await sleepAsync(this.#words, EVENTS, events, deadline, "a barrier", options.signal, options.abort)))
          this.#abortPhase(phase, "TIMEOUT");
      } catch (thrown) {
        this.#abortPhase(phase, reasonFor(thrown));
      }
    }
  }

  abort(reason: AbortReason): boolean {
    reasonNumber(reason);
    for (;;) {
      const phase = load(this.#words, PHASE);
      if (phase >> REASON_SHIFT !== 0) return false;
      if (this.#abortPhase(phase, reason)) return true;
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

  /** Null: the last party, which has opened the barrier. Else the phase to sleep on. */
  #arrive(): number | null {
    const phase = load(this.#words, PHASE);
    this.#throwIfAborted(phase);
    const arrived = Atomics.add(this.#words, ARRIVED, 1) + 1;
    const parties = this.parties;
    if (arrived < parties) return phase;
    if (arrived > parties)
      throw new LockstepError("CONFLICT", `a barrier of ${parties} parties was entered by ${arrived} threads at once`, {
        parties,
        arrived,
      });
    Atomics.store(this.#words, ARRIVED, 0);
    if (!cas(this.#words, PHASE, phase, (phase + 1) & GENERATION)) this.#throwIfAborted(load(this.#words, PHASE));
    this.wakeAll();
    return null;
  }

  #passed(phase: number): boolean {
    const now = load(this.#words, PHASE);
    if ((now & GENERATION) !== phase) return true;
    this.#throwIfAborted(now);
    return false;
  }

  #abortPhase(phase: number, reason: AbortReason): boolean {
    if (!cas(this.#words, PHASE, phase, phase | (reasonNumber(reason) << REASON_SHIFT))) return false;
    this.wakeAll();
    return true;
  }

  #throwIfAborted(phase: number): void {
    const reason = reasonOf(phase >> REASON_SHIFT);
    if (reason !== null) throw abortError(reason, "a barrier");
  }
}

/** Why a wait was given up: the reason of an abort word, or a signal's CANCELLED. */
function reasonFor(thrown: unknown): AbortReason {
  const reason = isLockstepError(thrown) ? ABORT_REASONS.find((known) => known === thrown.code) : undefined;
  if (reason === undefined) throw thrown;
  return reason;
}
