/**
 * Who sleeps where: the explorer's own lists of waiters, in one table in the control memory. First come, first woken.
 */
import { H, MAX_WAITERS, W, waiterBase, type Control } from "./control.ts";

/** An entry's place in the control memory; −1: none. */
export type Entry = number;

export class Waiters {
  readonly #control: Control;

  constructor(control: Control) {
    this.#control = control;
  }

  /** `id` names an asynchronous wait within its thread; 0: the thread itself sleeps. False: there is no room. */
  add(thread: number, buffer: number, offset: number, id: number): boolean {
    const control = this.#control;
    const at = this.#find((entry) => control[entry + W.USED] === 0);
    if (at < 0) return false;
    control[at + W.USED] = 1;
    control[at + W.THREAD] = thread;
    control[at + W.BUFFER] = buffer;
    control[at + W.OFFSET] = offset;
    control[at + W.STAMP] = control[H.STAMP]!++;
    control[at + W.ID] = id;
    control[at + W.RESOLVED] = 0;
    return true;
  }

  /** Who has slept longest at an address. */
  first(buffer: number, offset: number): Entry {
    const control = this.#control;
    return this.#oldest(
      (at) => control[at + W.RESOLVED] === 0 && control[at + W.BUFFER] === buffer && control[at + W.OFFSET] === offset,
    );
  }

  /** The longest of a thread's asynchronous waits that were notified and not settled yet. */
  firstResolved(thread: number): Entry {
    const control = this.#control;
    return this.#oldest((at) => control[at + W.RESOLVED] !== 0 && control[at + W.THREAD] === thread);
  }

  asynchronous(thread: number, id: number): Entry {
    const control = this.#control;
    return this.#find(
      (at) => control[at + W.USED] !== 0 && control[at + W.THREAD] === thread && control[at + W.ID] === id,
    );
  }

  /** The blocking wait of a thread has ended. */
  removeBlocking(thread: number): void {
    const at = this.asynchronous(thread, 0);
    if (at >= 0) this.remove(at);
  }

  /** The thread has died. */
  removeAll(thread: number): void {
    const control = this.#control;
    for (let index = 0; index < MAX_WAITERS; index++)
      if (control[waiterBase(index) + W.THREAD] === thread) this.remove(waiterBase(index));
  }

  remove(at: Entry): void {
    this.#control[at + W.USED] = 0;
  }

  clear(): void {
    for (let index = 0; index < MAX_WAITERS; index++) this.remove(waiterBase(index));
  }

  #find(wanted: (at: Entry) => boolean): Entry {
    for (let index = 0; index < MAX_WAITERS; index++) if (wanted(waiterBase(index))) return waiterBase(index);
    return -1;
  }

  #oldest(wanted: (at: Entry) => boolean): Entry {
    const control = this.#control;
    let first = -1;
    for (let index = 0; index < MAX_WAITERS; index++) {
      const at = waiterBase(index);
      if (control[at + W.USED] !== 0 && wanted(at) && (first < 0 || control[at + W.STAMP]! < control[first + W.STAMP]!))
        first = at;
    }
    return first;
  }
}
