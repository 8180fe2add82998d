/**
 * What production code says for the explorer's sake (threads/explore). Nobody listens unless the explorer has installed
 * its hook in this thread, before it loaded the code under exploration: elsewhere each call is a test of a variable
 * that is never set.
 */

/** Installed by the explorer in its own threads only. */
export interface ExplorationHook {
  /** Bytes of shared memory are about to be read or written by something that the explorer cannot see into. */
  readonly access: (view: ArrayBufferView, mode: "r" | "w") => void;
  /** State of a module that outlives a schedule, as functions that forget it. */
  readonly resets: (() => void)[];
}

let hook: ExplorationHook | undefined;

export function installExplorationHook(installed: ExplorationHook): void {
  hook = installed;
}

/** Whether anybody listens: for callers that would have to make a view first. */
export function exploring(): boolean {
  return hook !== undefined;
}

/**
 * Declares that these bytes are about to be read ("r") or written ("w") by a kernel, a runtime, or anything else
 * outside JavaScript.
 */
export function access(view: ArrayBufferView, mode: "r" | "w"): void {
  hook?.access(view, mode);
}

/**
 * For the little state that a module keeps per thread (what it holds, what it has seen): in exploration it is forgotten
 * before each schedule.
 */
export function forgetBetweenSchedules(reset: () => void): void {
  hook?.resets.push(reset);
}
