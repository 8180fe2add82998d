/**
 * Linearizability (Herlihy and Wing 1990): whether the operations of a history could have happened one at a time, each
 * at a moment between its call and its return, with the results that they had. Searched as Wing and Gong (1993) do,
 * remembering what was tried. An operation that never returned may have happened or not.
 */
import type { Operation } from "./program.ts";

/** The object as it would behave if only one thread used it. States are JSON values and are not changed. */
export interface SequentialModel<State> {
  readonly initial: State;
  /**
   * The state after the operation, or null if it could not have returned `operation.result` in this state. For one that
   * never returned, `result` is undefined: any will do.
   */
  readonly apply: (state: State, operation: Operation) => State | null;
}

/** A possible order, or null if there is none. At most 30 operations. */
export function linearize<State>(
  history: readonly Operation[],
  model: SequentialModel<State>,
): readonly Operation[] | null {
  if (history.length > 30)
    throw new RangeError(`a history of ${history.length} operations is too long: the search takes up to 30`);
  const tried = new Set<string>();
  const order: Operation[] = [];
  const search = (done: number, state: State): boolean => {
    if (history.every((operation, index) => (done & (1 << index)) !== 0 || operation.returned === null)) return true;
    const key = `${done}:${JSON.stringify(state)}`;
    if (tried.has(key)) return false;
    tried.add(key);
    for (const [index, operation] of history.entries()) {
      if (
        (done & (1 << index)) !== 0 ||
        history.some(
          (other, at) => (done & (1 << at)) === 0 && other.returned !== null && other.returned < operation.called,
        )
      )
        continue;
      const next = model.apply(state, operation);
      if (next === null) continue;
      order.push(operation);
      if (search(done | (1 << index), next)) return true;
      order.pop();
    }
    return false;
  };
  return search(0, model.initial) ? order : null;
}

/** Throws where a history is not linearizable; for `check`. */
export function requireLinearizable<State>(history: readonly Operation[], model: SequentialModel<State>): void {
  if (linearize(history, model) !== null) return;
  const lines = history.map(
    ({ thread, name, argument, result, called, returned }) =>
      `thread ${thread} ${name}(${argument === undefined ? "" : JSON.stringify(argument)}) = ` +
      `${JSON.stringify(result) ?? "undefined"}, steps ${called} to ${returned ?? "never"}`,
  );
  throw new Error(`no order of these operations explains their results: ${lines.join("; ")}`);
}
