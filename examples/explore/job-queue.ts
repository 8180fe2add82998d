/**
 * A queue of jobs in shared memory, as one writes it between two other things: one thread puts jobs in, workers take
 * them out. It looks right and passes its tests, and it is wrong in two places. docs/explorer.md finds them.
 */
export interface JobQueue {
  readonly words: Int32Array<SharedArrayBuffer>;
}

/** Words: how many jobs have been taken, how many have been put, and the jobs themselves, round and round. */
const TAKEN = 0;
const PUT = 1;
const FIRST = 2;
const CAPACITY = 16;

export function createJobQueue(): JobQueue {
  return { words: new Int32Array(new SharedArrayBuffer(4 * (FIRST + CAPACITY))) };
}

/** For one thread. False: the queue is full. */
export function put({ words }: JobQueue, job: number): boolean {
  const put = Atomics.load(words, PUT);
  const waiting = put - Atomics.load(words, TAKEN);
  if (waiting === CAPACITY) return false;
  Atomics.store(words, FIRST + (put % CAPACITY), job);
  Atomics.store(words, PUT, put + 1);
  // A worker sleeps only where the queue is empty.
  if (waiting === 0) Atomics.notify(words, PUT, 1);
  return true;
}

/** For any number of threads. Sleeps until there is a job. */
export function take({ words }: JobQueue): number {
  for (;;) {
    const taken = Atomics.load(words, TAKEN);
    const put = Atomics.load(words, PUT);
    if (taken === put) {
      Atomics.wait(words, PUT, put);
      continue;
    }
    const job = Atomics.load(words, FIRST + (taken % CAPACITY));
    if (Atomics.compareExchange(words, TAKEN, taken, taken + 1) === taken) return job;
  }
}

/** How many jobs wait, for a status line. */
export function depth({ words }: JobQueue): number {
  return words[PUT]! - words[TAKEN]!;
}
