/**
 * Exhaustive search with partial-order reduction: source sets and sleep sets (Abdulla, Aronis, Jonsson, Sagonas 2014).
 * Every class of equivalent schedules (the same up to swaps of neighbours that do not depend on each other) is run at
 * least once. A schedule is run to its end; then each race in it is looked at: if no explored beginning covers its
 * other order, the first step of one that does is noted where the two paths part.
 *
 * Deaths are steps of processes of their own. None comes by itself, so each is noted wherever it makes a difference,
 * as in search-bounded.ts; from there on its races with other steps are looked at like any others.
 */
import { KIND, KILL_FLAG, MAX_THREADS } from "./control.ts";
import { HappensBefore, processOf } from "./happens-before.ts";
import type { Pending, Plan, Run } from "./runner.ts";
import type { TraceEvent } from "./trace.ts";

interface Node {
  chosen: number;
  readonly enabled: number;
  /** Processes (threads and deaths, as all sets here) to be tried here. */
  todo: number;
  /** Threads tried here, or known to be covered elsewhere. */
  sleep: number;
  /** The first step of each thread that was tried here. */
  readonly tried: Map<number, Pending>;
}

const THREADS = (1 << MAX_THREADS) - 1;

export class ClassSearch {
  readonly #nodes: Node[] = [];
  readonly #order: HappensBefore;
  readonly #kills: number;
  #done = false;

  constructor(threads: number, kills = 0) {
    this.#order = new HappensBefore(threads, kills > 0);
    this.#kills = kills;
  }

  /** The next schedule, or null when every class has been run. */
  plan(): Plan | null {
    if (this.#done) return null;
    if (this.#nodes.length === 0) return { prefix: [] };
    const prefix = this.#nodes.map(({ chosen }) =>
      chosen < MAX_THREADS ? chosen : (chosen - MAX_THREADS) | KILL_FLAG,
    );
    return { prefix, sleep: this.#nodes.at(-1)!.sleep & THREADS, sleepAt: prefix.length - 1 };
  }

  /**
   * What the planned schedule did. Returns a step where a thread that was tried before had another operation now, which
   * should not be.
   */
  learn(run: Run): number | null {
    const { trace } = run;
    const from = Math.max(0, this.#nodes.length - 1);
    this.#order.truncate(from);
    const changed = this.#changed(run, from);
    if (changed !== null) return changed;
    let kills = this.#kills;
    for (let step = 0; step < from; step++) if (this.#nodes[step]!.chosen >= MAX_THREADS) kills--;
    for (let step = from; step < trace.length; step++) {
      const event = trace.at(step);
      const process = processOf(event);
      if (step >= this.#nodes.length)
        this.#nodes.push({
          chosen: process,
          enabled: event.enabled | (kills > 0 ? event.alive << MAX_THREADS : 0),
          todo: (1 << process) | (kills > 0 ? this.#deaths(event, step === 0 ? null : trace.at(step - 1)) : 0),
          sleep: event.sleep,
          tried: new Map(),
        });
      if (process >= MAX_THREADS) kills--;
      else if (this.#nodes[step]!.chosen === process) this.#nodes[step]!.tried.set(process, event);
      for (const earlier of this.#order.push(event)) this.#reverse(earlier, step);
      if (event.kind === KIND.NOTIFY && event.woke > 0) this.#timeOutInstead(step, event);
    }
    this.#backtrack();
    return null;
  }

  /**
   * A thread that was tried where this schedule branches off, and has done nothing since, still has to want the same.
   */
  #changed({ trace, pending }: Run, from: number): number | null {
    for (const [thread, wanted] of this.#nodes[from]?.tried ?? []) {
      if (wanted.kind === KIND.TIMEOUT) continue; // it may have been woken instead
      let now: Pending | null = pending[thread] ?? null;
      for (let step = from; step < trace.length; step++) {
        const event = trace.at(step);
        if (event.thread !== thread) continue;
        now = event.kind === KIND.KILL ? null : event;
        break;
      }
      if (now !== null && (now.kind !== wanted.kind || now.buffer !== wanted.buffer || now.offset !== wanted.offset))
        return from;
    }
    return null;
  }

  /** Notes, where step i was chosen, a thread that begins a schedule in which j comes before i. */
  #reverse(i: number, j: number): void {
    const node = this.#nodes[i]!;
    const initials = this.#initials(i, j) & node.enabled;
    if (initials === 0 || (initials & (node.todo | node.sleep)) !== 0) return;
    const own = 1 << processOf(this.#order.event(j));
    node.todo |= (initials & own) !== 0 ? own : initials & -initials;
  }

  /** Threads whose first step, among those after i that do not depend on it and j itself, depends on none of these. */
  #initials(i: number, j: number): number {
    const order = this.#order;
    const path: number[] = [];
    let seen = 0;
    let initials = 0;
    for (let step = i + 1; step <= j; step++) {
      if (step !== j && order.before(i, step)) continue;
      const process = 1 << processOf(order.event(step));
      if ((seen & process) === 0) {
        seen |= process;
        if (!path.some((earlier) => order.before(earlier, step))) initials |= process;
      }
      path.push(step);
    }
    return initials;
  }

  /** Deaths that make a difference here: right after a step of the thread that dies, or after it was woken. */
  #deaths({ alive }: TraceEvent, before: TraceEvent | null): number {
    return (before === null ? alive : alive & ((1 << before.thread) | before.woken)) << MAX_THREADS;
  }

  /** Somebody who could have timed out was woken: the time limit might have passed first. */
  #timeOutInstead(step: number, event: TraceEvent): void {
    this.#nodes[step]!.todo |= event.enabled & event.woken;
  }

  #backtrack(): void {
    for (let node = this.#nodes.at(-1); node !== undefined; node = this.#nodes.at(-1)) {
      node.sleep |= 1 << node.chosen;
      const left = node.todo & ~node.sleep;
      if (left !== 0) {
        node.chosen = 31 - Math.clz32(left & -left);
        return;
      }
      this.#nodes.pop();
    }
    this.#done = true;
  }
}
