/**
 * Passing the baton: wake the receiver, and sleep until it comes back. A short spin first, since between two idle cores
 * that is all it takes.
 */
import { T, threadBase, type Control } from "./control.ts";
import { native } from "./native.ts";

const SPINS = 200;

export function giveBaton(control: Control, receiver: number): void {
  const go = threadBase(receiver) + T.GO;
  native.store(control, go, 1);
  native.notify(control, go);
}

/** False: nobody gave it within `limitMs`. */
export function awaitBaton(control: Control, receiver: number, limitMs = Infinity): boolean {
  const go = threadBase(receiver) + T.GO;
  for (let spin = 0; spin < SPINS; spin++) {
    if (native.load(control, go) === 1) {
      control[go] = 0;
      return true;
    }
  }
  while (native.load(control, go) === 0) {
    if (native.wait(control, go, 0, limitMs) === "timed-out") return false;
  }
  control[go] = 0;
  return true;
}
