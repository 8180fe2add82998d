/**
 * One explored thread: every operation on shared memory comes through `point`, which gives the baton to whoever is to
 * run before it. The operation itself is then done for real, on the real memory; only sleeping and waking are the
 * explorer's (a table of waiters instead of the platform's, with the same rules: first come, first woken; an abandoned
 * asynchronous wait still takes a wake-up). Time stands still, but for time limits that pass because the schedule says
 * so. A long file, since all of it is what one thread may do while it has the baton.
 */
import { LockstepError } from "../../base/index.ts";
import { awaitBaton, giveBaton } from "./baton.ts";
import {
  CONTROLLER,
  E,
  eventBase,
  H,
  KIND,
  MAX_WAITERS,
  OUTCOME,
  STATUS,
  T,
  threadBase,
  W,
  type Control,
} from "./control.ts";
import { Mail } from "./mail.ts";
import { Scheduler } from "./scheduler.ts";
import { forgetLoops } from "./instrument/loops.ts";
import { SPIN, SpinWatch } from "./spin.ts";
import { Timers } from "./timers.ts";
import { Waiters } from "./waiters.ts";

/** Thrown out of a thread's code when its schedule is over or it has been killed; nobody is meant to catch it. */
export class Cut extends Error {
  override readonly name = "Cut";
}
/** One for all: a stack would cost, and says nothing. */
const CUT = new Cut("this schedule is over");

/** What `point` is told about an operation. */
export interface Place {
  readonly buffer: number;
  readonly offset: number;
  readonly size: number;
}

/** Operations that see or change one place in memory. */
const SEES =
  (1 << KIND.LOAD) |
  (1 << KIND.STORE) |
  (1 << KIND.RMW) |
  (1 << KIND.CAS) |
  (1 << KIND.WAIT) |
  (1 << KIND.READ) |
  (1 << KIND.WRITE);
/** A thread that was put off in more places has the others counted with the last of these. */
export const MOST_CUT_SITES = 31;

export class ThreadRuntime {
  readonly index: number;
  /** False outside of a schedule: then everything is the platform's. */
  active = false;
  readonly #control: Control;
  readonly #base: number;
  readonly #scheduler: Scheduler;
  readonly #waiters: Waiters;
  readonly #spin: SpinWatch;
  readonly #known = new WeakMap<SharedArrayBuffer, number>();
  readonly #bytes = new Map<number, Uint8Array>();
  /** Places where this thread was put off though it may count; those that the controller has not been told of. */
  readonly #cutSites: string[] = [];
  readonly #untold: string[] = [];
  #own = 0;
  #channels = 0;
  #now = 0;
  readonly #timers = new Timers();
  /** Messages to this thread and from it. */
  readonly mail: Mail;
  /** What the code did that exploration cannot do. */
  refused: LockstepError | null = null;
  readonly #asleep = new Map<number, (outcome: "ok" | "timed-out") => void>();
  #nextWait = 1;
  #cuts = 0;
  /** Call sites by step, when they are wanted. */
  readonly sites = new Map<number, string>();
  /** Called for each step that this thread takes, with the stack as it is there. */
  site: () => string = () => "";

  constructor(control: Control, index: number) {
    this.#control = control;
    this.index = index;
    this.#base = threadBase(index);
    this.#scheduler = new Scheduler(control);
    this.#waiters = new Waiters(control);
    this.mail = new Mail(control, index, (what) => this.refuse(what));
    this.#spin = new SpinWatch((buffer) => this.#bytes.get(buffer));
  }

  /** Milliseconds on this thread's clock. */
  get now(): number {
    this.#control[H.CLOCK] = 1;
    return this.#now;
  }

  get step(): number {
    return this.#control[H.STEP]!;
  }

  /** Names the buffers of the program's state, alike in all threads. */
  know(buffers: readonly SharedArrayBuffer[]): void {
    buffers.forEach((buffer, id) => {
      this.#known.set(buffer, id);
      this.#bytes.set(id, new Uint8Array(buffer));
    });
  }

  bufferId(buffer: SharedArrayBuffer): number {
    let id = this.#known.get(buffer);
    if (id === undefined) {
      id = 1000 * (this.index + 1) + this.#own++;
      this.#known.set(buffer, id);
      this.#bytes.set(id, new Uint8Array(buffer));
    }
    return id;
  }

  beginRun(): void {
    for (let own = 0; own < this.#own; own++) this.#bytes.delete(1000 * (this.index + 1) + own);
    this.#own = 0;
    this.#channels = 0;
    this.#now = 0;
    this.#timers.forget();
    this.#asleep.clear();
    this.#nextWait = 1;
    this.#cuts = 0;
    this.sites.clear();
    this.mail.forget();
    this.refused = null;
    this.#spin.progress();
    forgetLoops();
    this.active = true;
  }

  /** Places, in the order of the bits of `T.CUTS`, that the controller does not know yet. */
  newCutSites(): readonly string[] {
    return this.#untold.splice(0);
  }

  /** The body has returned, thrown, or been cut: passes the baton on. */
  endRun(): void {
    this.active = false;
    this.#control[this.#base + T.STATUS] = this.#control[this.#base + T.KILLED] === 1 ? STATUS.KILLED : STATUS.DONE;
    giveBaton(this.#control, this.#cut ? CONTROLLER : this.#scheduler.next());
  }

  /** This thread's code threw: the schedule ends here. */
  fail(): void {
    if (this.#control[H.OUTCOME] === OUTCOME.NONE) this.#control[H.OUTCOME] = OUTCOME.FAILED;
  }

  /**
   * The code does what cannot be explored: the schedule ends here, and with it the exploration, whatever the code
   * catches.
   */
  refuse(what: string): never {
    const site = this.site();
    this.refused ??= new LockstepError("INPUT_INVALID", site === "" ? what : `${what} (${site})`);
    this.fail();
    throw CUT;
  }

  get killed(): boolean {
    return this.#control[this.#base + T.KILLED] === 1;
  }

  get #cut(): boolean {
    return this.#control[H.CUT] !== 0;
  }

  /**
   * Comes to an operation, and returns the event's place in the control memory once it is this thread's turn. `peek`:
   * `limited`: it is a wait that would sleep, with a time limit. `a` is the operand; `element` the kind of its value
   * (`ELEMENTS`) and `aHigh` the upper half.
   */
  point(
    kind: number,
    buffer: number,
    offset: number,
    size: number,
    a = 0,
    limited = false,
    element = 0,
    aHigh = 0,
  ): number {
    this.#throwIfCut();
    const control = this.#control;
    const base = this.#base;
    control[base + T.KIND] = kind;
    control[base + T.BUFFER] = buffer;
    control[base + T.OFFSET] = offset;
    control[base + T.SIZE] = size;
    control[base + T.A] = a;
    control[base + T.ELEMENT] = element;
    const operand = whole(a, aHigh);
    const spins = this.#spin.look(kind, buffer, offset, size, operand, limited, control[H.SPINS]!);
    if (spins === SPIN.EXACT && this.#spin.polls) control[H.POLLS] = 1;
    control[base + T.SPUN] = spins === SPIN.NONE ? 0 : 1;
    control[base + T.STATUS] = spins === SPIN.NONE ? STATUS.READY : STATUS.SPINNING;
    this.#pass(spins === SPIN.CUT);
    const step = control[H.STEP]! - 1;
    if (control[H.SITES] === 1) this.sites.set(step, this.site());
    const event = eventBase(step);
    control[event + E.A_HIGH] = aHigh;
    return event;
  }

  #operandOf(event: number): number {
    return whole(this.#control[event + E.A]!, this.#control[event + E.A_HIGH]!);
  }

  /** The operation has been done. */
  did(
    event: number,
    before: number,
    after: number,
    wrote: boolean,
    reads: boolean,
    beforeHigh = 0,
    afterHigh = 0,
  ): void {
    const control = this.#control;
    control[event + E.BEFORE_HIGH] = beforeHigh;
    control[event + E.AFTER_HIGH] = afterHigh;
    control[event + E.BEFORE] = before;
    control[event + E.AFTER] = after;
    control[event + E.WROTE] = wrote ? 1 : 0;
    const size = control[event + E.SIZE]!;
    const kind = control[event + E.KIND]!;
    const same = (SEES & (1 << kind)) !== 0 && (!wrote || (kind !== KIND.WRITE && size <= 4 && before === after));
    if (same)
      this.#spin.note(kind, control[event + E.BUFFER]!, control[event + E.OFFSET]!, size, this.#operandOf(event));
    else this.#spin.progress();
    if (wrote && !same) this.#scheduler.changed(this.index);
    this.#scheduler.wake(control[H.STEP]! - 1);
  }

  /**
   * `Atomics.wait`, its word being what it should: sleeps until notified ("ok") or until the schedule lets its limit
   * pass.
   */
  sleep(event: number, value: number, valueHigh: number, timeoutMs: number): "ok" | "timed-out" {
    const control = this.#control;
    const base = this.#base;
    control[event + E.BEFORE] = value;
    control[event + E.AFTER] = value;
    control[event + E.BEFORE_HIGH] = valueHigh;
    control[event + E.AFTER_HIGH] = valueHigh;
    control[event + E.WOKE] = 1;
    this.#addWaiter(event, 0);
    this.#scheduler.wake(control[H.STEP]! - 1);
    control[base + T.RESULT] = 0;
    control[base + T.TIMED] = Number.isFinite(timeoutMs) ? 1 : 0;
    control[base + T.STATUS] = STATUS.BLOCKED;
    this.#pass();
    control[base + T.TIMED] = 0;
    if (control[base + T.RESULT] === 0) {
      this.#spin.progress();
      return "ok";
    }
    const [buffer, offset] = [control[base + T.BUFFER]!, control[base + T.OFFSET]!];
    this.#spin.note(KIND.WAIT, buffer, offset, control[base + T.SIZE]!, this.#operandOf(event), true);
    this.#now += timeoutMs;
    return "timed-out";
  }

  #addWaiter(event: number, id: number): void {
    const control = this.#control;
    if (!this.#waiters.add(this.index, control[event + E.BUFFER]!, control[event + E.OFFSET]!, id))
      this.refuse(`more than ${MAX_WAITERS} waits at once`);
  }

  /** `Atomics.waitAsync`, likewise. */
  sleepAsync(event: number, value: number, valueHigh: number, timeoutMs: number): Promise<"ok" | "timed-out"> {
    const control = this.#control;
    const id = this.#nextWait++;
    control[event + E.BEFORE] = value;
    control[event + E.AFTER] = value;
    control[event + E.BEFORE_HIGH] = valueHigh;
    control[event + E.AFTER_HIGH] = valueHigh;
    control[event + E.WOKE] = 1;
    this.#addWaiter(event, id);
    this.#spin.progress();
    this.#scheduler.wake(control[H.STEP]! - 1);
    const { promise, resolve } = Promise.withResolvers<"ok" | "timed-out">();
    this.#asleep.set(id, resolve);
    if (Number.isFinite(timeoutMs)) this.setTimer(() => this.#settle(id, "timed-out"), timeoutMs, id);
    return promise;
  }

  /** `Atomics.notify`: wakes the first `count` sleepers there. */
  notify(event: number, count: number): number {
    const control = this.#control;
    const buffer = control[event + E.BUFFER]!;
    const offset = control[event + E.OFFSET]!;
    const step = control[H.STEP]! - 1;
    let woken = 0;
    let who = 0;
    let inbox = 0;
    for (; woken < count; woken++) {
      const at = this.#waiters.first(buffer, offset);
      if (at < 0) break;
      const thread = control[at + W.THREAD]!;
      const base = threadBase(thread);
      control[base + T.WOKEN_BY] = step;
      who |= 1 << thread;
      if (control[at + W.ID] === 0) {
        this.#waiters.remove(at);
        control[base + T.RESULT] = 0;
        control[base + T.STATUS] = STATUS.DUE;
      } else {
        control[at + W.RESOLVED] = 1;
        inbox |= 1 << thread;
        if (control[base + T.STATUS] === STATUS.IDLE) control[base + T.STATUS] = STATUS.DUE;
      }
    }
    control[event + E.WOKE] = woken;
    control[event + E.WOKEN] = who;
    control[event + E.INBOX] = inbox;
    this.#spin.progress();
    this.#scheduler.wake(step);
    return woken;
  }

  /** A number for a channel that is made within a schedule. */
  ownChannel(): number {
    return 1000 * (this.index + 1) + this.#channels++;
  }

  /** An end of a channel that this thread listens at. */
  listen(channel: number, side: number, receive: (bytes: Uint8Array) => void): void {
    this.mail.listen(channel, side, receive);
  }

  /** Sends bytes to the other end, after the point of the schedule has come. */
  send(channel: number, to: number, bytes: Uint8Array): void {
    const event = this.point(KIND.SEND, channel, to, 0);
    const control = this.#control;
    const receiver = this.mail.put(channel, to, bytes);
    if (receiver >= 0) {
      const base = threadBase(receiver);
      control[base + T.WOKEN_BY] = control[H.STEP]! - 1;
      control[event + E.WOKEN] = 1 << receiver;
      control[event + E.INBOX] = 1 << receiver;
      if (control[base + T.STATUS] === STATUS.IDLE) control[base + T.STATUS] = STATUS.DUE;
    }
    this.did(event, 0, 0, false, false);
  }

  /** The oldest message at that end, if there is one. */
  receive(channel: number, side: number): Uint8Array | null {
    const event = this.point(KIND.RECEIVE, channel, side, 0);
    const bytes = this.mail.take(channel, side);
    this.did(event, bytes === null ? 0 : 1, 0, false, bytes === null);
    return bytes;
  }

  setTimer(fire: () => void, ms: number, wait = 0): number {
    this.#control[H.CLOCK] = 1;
    return this.#timers.add(this.#now + Math.max(0, ms), fire, wait);
  }

  clearTimer(id: number): void {
    this.#timers.remove((timer) => timer.id === id);
  }

  /**
   * The event loop has nothing left to do: waits until there is, and settles it; reactions run when the caller gives
   * way. False: the schedule is over. Timers of one thread fire in the order of their times.
   */
  idle(): boolean {
    const control = this.#control;
    const base = this.#base;
    if (this.#cut || this.killed) return false;
    if (this.#waiters.firstResolved(this.index) < 0 && !this.mail.has()) {
      const { first } = this.#timers;
      const sleeper = first === undefined || first.wait === 0 ? -1 : this.#waiters.asynchronous(this.index, first.wait);
      control[base + T.KIND] = KIND.TIMEOUT;
      control[base + T.BUFFER] = sleeper < 0 ? -1 - this.index : control[sleeper + W.BUFFER]!;
      control[base + T.OFFSET] = sleeper < 0 ? 0 : control[sleeper + W.OFFSET]!;
      control[base + T.SIZE] = 0;
      control[base + T.TIMED] = first === undefined ? 0 : 1;
      control[base + T.STATUS] = STATUS.IDLE;
      this.#give();
      control[base + T.TIMED] = 0;
      if (this.#cut || this.killed) return false;
    }
    const due =
      control[base + T.STATUS] === STATUS.DUE || this.#waiters.firstResolved(this.index) >= 0 || this.mail.has();
    control[base + T.STATUS] = STATUS.READY;
    if (due) {
      if (this.#waiters.firstResolved(this.index) >= 0) this.#settleMail();
      else this.mail.deliver();
    } else {
      if (control[H.SITES] === 1) this.sites.set(control[H.STEP]! - 1, "");
      this.#fireFirst();
      this.#scheduler.wake(control[H.STEP]! - 1);
    }
    return true;
  }

  #fireFirst(): void {
    const timer = this.#timers.first!;
    this.clearTimer(timer.id);
    this.#now = Math.max(this.#now, timer.at);
    const sleeper = timer.wait === 0 ? -1 : this.#waiters.asynchronous(this.index, timer.wait);
    if (sleeper >= 0) this.#waiters.remove(sleeper);
    timer.fire();
  }

  /** Settles, in the order of their sleep, the waits that were notified. */
  #settleMail(): void {
    const control = this.#control;
    for (let at = this.#waiters.firstResolved(this.index); at >= 0; at = this.#waiters.firstResolved(this.index)) {
      const id = control[at + W.ID]!;
      this.#waiters.remove(at);
      this.#timers.remove(({ wait }) => wait === id);
      this.#settle(id, "ok");
    }
  }

  #settle(id: number, outcome: "ok" | "timed-out"): void {
    this.#asleep.get(id)?.(outcome);
    this.#asleep.delete(id);
  }

  /**
   * Gives the baton to whoever is next, and waits for it, unless that is this thread. `cut`: it spins, and may
   * count.
   */
  #give(cut = false): void {
    const next = this.#scheduler.next();
    if (next === this.index) return;
    if (cut && this.#control[this.#base + T.STATUS] === STATUS.SPINNING) this.#noteCut();
    giveBaton(this.#control, next);
    awaitBaton(this.#control, this.index);
  }

  #pass(cut = false): void {
    this.#give(cut);
    this.#throwIfCut();
  }

  #noteCut(): void {
    const site = this.site();
    let known = this.#cutSites.indexOf(site);
    if (known < 0) {
      known = this.#cutSites.push(site) - 1;
      this.#untold.push(site);
    }
    this.#control[this.#base + T.CUTS]! |= 1 << Math.min(known, MOST_CUT_SITES - 1);
  }

  #throwIfCut(): void {
    if (!this.#cut && !this.killed && this.refused === null) return;
    if (++this.#cuts > 100_000)
      throw new Error("code under exploration goes on although its schedule is over: it catches what is not its own");
    throw CUT;
  }
}

/** Both halves of an operand in one number, to tell one from another. */
function whole(low: number, high: number): number {
  return low ^ Math.imul(high, 0x9e3779b1);
}
