/**
 * What production code says for the explorer's sake (threads/explore), and what it costs: nothing. The explorer installs its hook on
 * `globalThis` before it loads the code under exploration; everywhere else there is none, and these functions are empty.
 */

/** Installed by the explorer in its own threads only. */
export interface ExplorationHook {
  /** Bytes of shared memory are about to be read or written by something that the explorer cannot see into. */
  readonly access: (view: ArrayBufferView, mode: "r" | "w") => void;
  /** State of a module that outlives a schedule, as functions that forget it. */
  readonly resets: (() => void)[];
}

const SYMBOL = Symbol.for("lockstep.exploration");

export function installExplorationHook(hook: ExplorationHook): void {
  (globalThis as Record<symbol, unknown>)[SYMBOL] = hook;
}

const hook = (globalThis as Record<symbol, ExplorationHook | undefined>)[SYMBOL];

/** Declares that these bytes are about to be read ("r") or written ("w") by a kernel, a runtime, or anything else outside JavaScript. */
export const access: (view: ArrayBufferView, mode: "r" | "w") => void = hook === undefined ? () => {} : hook.access;

/** For the little state that a module keeps per thread (what it holds, what it has seen): in exploration it is forgotten before each schedule. */
export function forgetBetweenSchedules(reset: () => void): void {
  hook?.resets.push(reset);
}
