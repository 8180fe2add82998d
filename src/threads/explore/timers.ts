/** The timers of one explored thread, in the order in which they are due. */

export interface Timer {
  readonly id: number;
  /** On the thread's own clock, in milliseconds. */
  readonly at: number;
  readonly fire: () => void;
  /** The asynchronous wait that it limits; 0: none. */
  readonly wait: number;
}

export class Timers {
  #due: Timer[] = [];
  #next = 1;

  forget(): void {
    this.#due = [];
    this.#next = 1;
  }

  get first(): Timer | undefined {
    return this.#due[0];
  }

  add(at: number, fire: () => void, wait: number): number {
    const id = this.#next++;
    this.#due.push({ id, at, fire, wait });
    this.#due.sort((a, b) => a.at - b.at || a.id - b.id);
    return id;
  }

  remove(unwanted: (timer: Timer) => boolean): void {
    this.#due = this.#due.filter((timer) => !unwanted(timer));
  }
}
