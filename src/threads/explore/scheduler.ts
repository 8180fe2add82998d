/**
 * Decides who goes next. Runs in whichever thread holds the baton, over the shared control memory alone, so every
 * thread decides alike: first whoever is due (started or woken: its code up to its next operation is its own business),
 * then the schedule that was given, then the strategy.
 *
 * What is possible at a step: a thread at an operation may do it; one that sleeps with a time limit, or whose event
 * loop has a timer, may time out; with kills left anybody may die. A thread that does the same over and over and
 * changes nothing (`SPINNING`, spin.ts) goes on only after somebody changed something, or when nobody else can go on:
 * otherwise schedules would be endless (the fairness rule; Musuvathi and Qadeer 2008). A schedule that is given may
 * let it go on.
 */
import {
  changeAt,
  E,
  EVENT_WORDS,
  eventBase,
  H,
  KIND,
  KILL_FLAG,
  MAX_EVENTS,
  MAX_THREADS,
  OUTCOME,
  prefixAt,
  STATUS,
  STRATEGY,
  T,
  threadBase,
  CONTROLLER,
  type Control,
} from "./control.ts";
import { dependent, mayWrite, type Footprint } from "./dependence.ts";
import { Waiters } from "./waiters.ts";

const blank = (): Footprint => ({
  kind: 0,
  buffer: 0,
  offset: 0,
  size: 0,
  writes: false,
  woke: 0,
  inbox: 0,
  spun: false,
});

export class Scheduler {
  readonly #control: Control;
  readonly #waiters: Waiters;
  readonly #a = blank();
  readonly #b = blank();

  constructor(control: Control) {
    this.#control = control;
    this.#waiters = new Waiters(control);
  }

  /**
   * The thread that gets the baton now: one that is due, the one whose operation was chosen, or the controller when the
   * schedule is over.
   */
  next(): number {
    const control = this.#control;
    if (control[H.OUTCOME] !== OUTCOME.NONE) return CONTROLLER;
    const due = this.#due();
    if (due >= 0) return due;
    let possible = this.#possible();
    if (possible === 0 && this.#release(-1)) possible = this.#possible();
    if (possible === 0) return this.#over(this.#allEnded() ? OUTCOME.ENDED : OUTCOME.DEADLOCK);
    const step = control[H.STEP]!;
    if (step >= control[H.MAX_STEPS]! || step >= MAX_EVENTS) return this.#over(OUTCOME.STEPS);
    const given = step < control[H.PREFIX]!;
    const choice = given ? control[prefixAt(step)]! : (this.#drawnDeath(step) ?? this.#choose(possible, step));
    if (given && this.#release(choice)) possible = this.#possible();
    if (choice < 0) return this.#over(OUTCOME.REDUNDANT);
    const thread = choice & (KILL_FLAG - 1);
    if ((choice & KILL_FLAG) !== 0)
      return this.#alive(thread) ? this.#kill(thread, step, possible) : this.#over(OUTCOME.MISMATCH);
    if ((possible & (1 << thread)) === 0) return this.#over(OUTCOME.MISMATCH);
    this.#begin(thread, step, possible);
    return thread;
  }

  #over(outcome: number): number {
    this.#control[H.OUTCOME] = outcome;
    return CONTROLLER;
  }

  #due(): number {
    const control = this.#control;
    for (let thread = 0; thread < control[H.THREADS]!; thread++)
      if (control[threadBase(thread) + T.STATUS] === STATUS.DUE) return thread;
    return -1;
  }

  /** Bits of the threads that can take a step. */
  #possible(): number {
    const control = this.#control;
    let mask = 0;
    for (let thread = 0; thread < control[H.THREADS]!; thread++) {
      const base = threadBase(thread);
      const status = control[base + T.STATUS]!;
      if (
        status === STATUS.READY ||
        ((status === STATUS.BLOCKED || status === STATUS.IDLE) && control[base + T.TIMED] !== 0)
      )
        mask |= 1 << thread;
    }
    return mask;
  }

  #ready(): number {
    const control = this.#control;
    let mask = 0;
    for (let thread = 0; thread < control[H.THREADS]!; thread++)
      if (control[threadBase(thread) + T.STATUS] === STATUS.READY) mask |= 1 << thread;
    return mask;
  }

  #alive(thread: number): boolean {
    const status = this.#control[threadBase(thread) + T.STATUS]!;
    return status !== STATUS.OFF && status !== STATUS.DONE && status !== STATUS.KILLED;
  }

  #aliveMask(): number {
    let mask = 0;
    for (let thread = 0; thread < this.#control[H.THREADS]!; thread++)
      if (thread !== this.#control[H.SUPERVISOR] && this.#alive(thread)) mask |= 1 << thread;
    return mask;
  }

  /** Lets a thread that spins go on, or all of them (−1); false: there is none. */
  #release(only: number): boolean {
    const control = this.#control;
    let any = false;
    for (let thread = 0; thread < control[H.THREADS]!; thread++) {
      const at = threadBase(thread) + T.STATUS;
      if (control[at] !== STATUS.SPINNING || (only >= 0 && only !== thread)) continue;
      control[at] = STATUS.READY;
      any = true;
    }
    return any;
  }

  #allEnded(): boolean {
    const control = this.#control;
    for (let thread = 0; thread < control[H.THREADS]!; thread++) {
      const status = control[threadBase(thread) + T.STATUS]!;
      if (status !== STATUS.DONE && status !== STATUS.KILLED && status !== STATUS.OFF) return false;
    }
    return true;
  }

  /** Random schedules may have one thread die at a drawn step. */
  #drawnDeath(step: number): number | null {
    const control = this.#control;
    const victim = control[H.KILL_WHO]!;
    return step === control[H.KILL_AT] && this.#alive(victim) ? victim | KILL_FLAG : null;
  }

  /** −1: everything that is possible sleeps (has been explored elsewhere). */
  #choose(possible: number, step: number): number {
    const control = this.#control;
    const strategy = control[H.STRATEGY]!;
    if (strategy === STRATEGY.PRIORITIES) return this.#byPriority(possible, step);
    if (strategy === STRATEGY.WALK) return this.#atRandom(possible);
    const candidates = possible & ~control[H.SLEEP]!;
    if (candidates === 0) return -1;
    const last = control[H.LAST]!;
    if (last >= 0 && (candidates & (1 << last)) !== 0 && control[threadBase(last) + T.STATUS] === STATUS.READY)
      return last;
    // Time limits pass last: what makes progress without them is met first.
    for (const ready of [true, false]) {
      for (let thread = 0; thread < MAX_THREADS; thread++) {
        if ((candidates & (1 << thread)) !== 0 && (control[threadBase(thread) + T.STATUS] === STATUS.READY) === ready)
          return thread;
      }
    }
    return -1;
  }

  /**
   * PCT (Burckhardt and others 2010): the highest priority runs; at the drawn steps whoever would run falls below all
   * others.
   */
  #byPriority(possible: number, step: number): number {
    const control = this.#control;
    for (let change = 0; change < control[H.CHANGES]!; change++) {
      if (control[changeAt(change)] === step)
        control[threadBase(this.#highest(possible)) + T.PRIORITY] = --control[H.LOW]!;
    }
    return this.#highest(possible);
  }

  #highest(possible: number): number {
    let best = -1;
    for (let thread = 0; thread < MAX_THREADS; thread++) {
      if ((possible & (1 << thread)) === 0) continue;
      if (best < 0 || this.#control[threadBase(thread) + T.PRIORITY]! > this.#control[threadBase(best) + T.PRIORITY]!)
        best = thread;
    }
    return best;
  }

  #atRandom(possible: number): number {
    const threads: number[] = [];
    for (let thread = 0; thread < MAX_THREADS; thread++) if ((possible & (1 << thread)) !== 0) threads.push(thread);
    return threads[random(this.#control, threads.length)]!;
  }

  /** Writes the event down; what the operation does and returns is added by the thread that does it. */
  #begin(thread: number, step: number, possible: number): void {
    const control = this.#control;
    const base = threadBase(thread);
    const event = eventBase(step);
    const status = control[base + T.STATUS]!;
    const timeout = status !== STATUS.READY;
    control[event + E.THREAD] = thread;
    control[event + E.KIND] = timeout ? KIND.TIMEOUT : control[base + T.KIND]!;
    control[event + E.BUFFER] = control[base + T.BUFFER]!;
    control[event + E.OFFSET] = control[base + T.OFFSET]!;
    control[event + E.SIZE] = control[base + T.SIZE]!;
    control[event + E.A] = control[base + T.A]!;
    control[event + E.ELEMENT] = control[base + T.ELEMENT]!;
    control[event + E.BEFORE] = 0;
    control[event + E.AFTER] = 0;
    control[event + E.WROTE] = 0;
    control[event + E.WOKE] = 0;
    control[event + E.WOKEN] = 0;
    control[event + E.READY] = this.#ready();
    control[event + E.INBOX] = timeout && status === STATUS.IDLE ? 1 << thread : 0;
    control[event + E.WOKEN_BY] = control[base + T.WOKEN_BY]!;
    control[base + T.WOKEN_BY] = -1;
    control[event + E.SPUN] = control[base + T.SPUN]!;
    control[base + T.SPUN] = 0;
    control[event + E.ENABLED] = possible;
    control[event + E.ALIVE] = this.#aliveMask();
    control[event + E.SLEEP] = step >= control[H.SLEEP_AT]! ? control[H.SLEEP]! : 0;
    control[H.STEP] = step + 1;
    control[H.LAST] = thread;
    if (timeout && status === STATUS.BLOCKED) {
      this.#waiters.removeBlocking(thread);
      control[base + T.RESULT] = 1;
      control[base + T.STATUS] = STATUS.DUE;
      if (step >= control[H.SLEEP_AT]!) this.wake(step);
    }
  }

  #kill(thread: number, step: number, possible: number): number {
    const control = this.#control;
    const base = threadBase(thread);
    const event = eventBase(step);
    control.fill(0, event, event + EVENT_WORDS);
    control[event + E.THREAD] = thread;
    control[event + E.KIND] = KIND.KILL;
    control[event + E.WOKEN_BY] = -1;
    control[event + E.ENABLED] = possible;
    control[event + E.ALIVE] = this.#aliveMask();
    control[event + E.READY] = this.#ready();
    control[H.STEP] = step + 1;
    control[H.LAST] = -1;
    control[base + T.KILLED] = 1;
    if (step >= control[H.SLEEP_AT]!) control[H.SLEEP] = 0;
    this.#waiters.removeAll(thread);
    const supervisor = control[H.SUPERVISOR]!;
    if (supervisor >= 0) {
      control[H.DEATHS]! |= 1 << thread;
      const at = threadBase(supervisor);
      if (control[at + T.STATUS] === STATUS.OFF || control[at + T.STATUS] === STATUS.DONE)
        control[at + T.STATUS] = STATUS.DUE;
      if (control[at + T.WOKEN_BY]! < 0) control[at + T.WOKEN_BY] = step;
    }
    return thread;
  }

  /** Somebody changed something: whoever spins looks again. */
  changed(writer: number): void {
    const control = this.#control;
    for (let thread = 0; thread < control[H.THREADS]!; thread++) {
      const at = threadBase(thread) + T.STATUS;
      if (thread !== writer && control[at] === STATUS.SPINNING) control[at] = STATUS.READY;
    }
  }

  /**
   * The event at `step` has been done: who sleeps because its operation was explored before wakes if the two depend on
   * each other.
   */
  wake(step: number): void {
    const control = this.#control;
    const sleeping = control[H.SLEEP]!;
    if (sleeping === 0 || step < control[H.SLEEP_AT]!) return;
    const event = eventBase(step);
    const done = this.#a;
    done.kind = control[event + E.KIND]!;
    done.buffer = control[event + E.BUFFER]!;
    done.offset = control[event + E.OFFSET]!;
    done.size = control[event + E.SIZE]!;
    done.writes = control[event + E.WROTE] !== 0;
    done.woke = control[event + E.WOKE]!;
    done.inbox = control[event + E.INBOX]!;
    done.spun = control[event + E.SPUN] !== 0;
    let left = sleeping;
    for (let thread = 0; thread < MAX_THREADS; thread++) {
      const bit = 1 << thread;
      if ((sleeping & bit) === 0) continue;
      const base = threadBase(thread);
      const status = control[base + T.STATUS]!;
      const pending = this.#b;
      const timeout = status !== STATUS.READY && status !== STATUS.SPINNING;
      pending.kind = timeout ? KIND.TIMEOUT : control[base + T.KIND]!;
      pending.buffer = control[base + T.BUFFER]!;
      pending.offset = control[base + T.OFFSET]!;
      pending.size = control[base + T.SIZE]!;
      pending.writes = mayWrite(pending.kind);
      pending.woke = -1;
      pending.spun = control[base + T.SPUN] !== 0;
      pending.inbox =
        pending.kind === KIND.NOTIFY || pending.kind === KIND.SEND ? -1 : status === STATUS.IDLE ? bit : 0;
      if (thread === control[event + E.THREAD] || status === STATUS.DUE || dependent(done, pending)) left &= ~bit;
    }
    control[H.SLEEP] = left;
  }
}

/** A number below `below`, from the schedule's own seed (mulberry32). */
export function random(control: Control, below: number): number {
  let t = (control[H.SEED]! + 0x6d2b79f5) | 0;
  control[H.SEED] = t;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) % below;
}
