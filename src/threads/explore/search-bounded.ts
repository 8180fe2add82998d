/**
 * Every schedule with at most so many preemptions: switches away from a thread that could go on, and time limits that
 * pass although somebody could (Musuvathi and Qadeer 2007: few preemptions show most bugs). Without a bound it is the
 * plain enumeration of all interleavings, against which the reduced search is tested.
 *
 * A death is tried where it makes a difference: right after a step of the thread that dies, or after it was woken (a
 * death later, with nothing of it in between, leaves the others the same memory; what the supervisor then does may come
 * as late as it likes anyway).
 */
import { KILL_FLAG, KIND } from "./control.ts";
import type { Plan, Run } from "./runner.ts";
import type { Trace, TraceEvent } from "./trace.ts";

interface Node {
  readonly choices: readonly number[];
  at: number;
}

export class BoundedSearch {
  readonly #preemptions: number;
  readonly #kills: number;
  readonly #nodes: Node[] = [];
  #done = false;

  constructor({ preemptions, kills }: { readonly preemptions: number; readonly kills: number }) {
    this.#preemptions = preemptions;
    this.#kills = kills;
  }

  plan(): Plan | null {
    return this.#done ? null : { prefix: this.#nodes.map(({ choices, at }) => choices[at]!) };
  }

  learn({ trace }: Run): null {
    const known = this.#nodes.length;
    let preemptions = this.#preemptions;
    let kills = this.#kills;
    let before: TraceEvent | null = null;
    for (let step = 0; step < trace.length; step++) {
      const event = trace.at(step);
      if (step >= known) this.#nodes.push({ choices: alternatives(event, before, preemptions, kills), at: 0 });
      const { choices, at } = this.#nodes[step]!;
      const chosen = choices[at]!;
      if ((chosen & KILL_FLAG) !== 0) kills--;
      else preemptions -= cost(chosen, event, before);
      before = event;
    }
    for (let node = this.#nodes.at(-1); node !== undefined; node = this.#nodes.at(-1)) {
      if (++node.at < node.choices.length) return null;
      this.#nodes.pop();
    }
    this.#done = true;
    return null;
  }
}

/** What else could have been chosen, what was chosen first. */
function alternatives(event: TraceEvent, before: TraceEvent | null, preemptions: number, kills: number): number[] {
  const choices = [event.thread];
  for (const thread of members(event.enabled))
    if (thread !== event.thread && cost(thread, event, before) <= preemptions) choices.push(thread);
  if (kills > 0)
    for (const thread of members(event.alive))
      if (before === null || before.thread === thread || (before.woken & (1 << thread)) !== 0)
        choices.push(thread | KILL_FLAG);
  return choices;
}

/** Preemptions that this choice takes. */
function cost(thread: number, { ready }: TraceEvent, before: TraceEvent | null): number {
  const timesOut = (ready & (1 << thread)) === 0;
  if (timesOut) return ready === 0 ? 0 : 1;
  return before !== null && before.thread !== thread && (ready & (1 << before.thread)) !== 0 ? 1 : 0;
}

/** Switches away from a thread that could have gone on, and time limits that passed although somebody could. */
export function preemptionsOf(trace: Trace): number {
  let count = 0;
  for (let step = 0; step < trace.length; step++) {
    const event = trace.at(step);
    if (event.kind !== KIND.KILL) count += cost(event.thread, event, step === 0 ? null : trace.at(step - 1));
  }
  return count;
}

function members(mask: number): number[] {
  return Array.from({ length: 9 }, (_, thread) => thread).filter((thread) => (mask & (1 << thread)) !== 0);
}
