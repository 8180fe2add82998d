/**
 * A wake-up swallowed by an asynchronous wait that was given up: `Atomics.waitAsync` cannot be withdrawn, so a race
 * with an `AbortSignal` leaves a sleeper in the list that takes the next `notify(1)`. The twin is woken by its own
 * abort, with everybody else, who look again.
 */
import { program } from "../../../src/threads/explore/program.ts";
import { startingAs, type State, type Words } from "./words.ts";

const ITEMS = 0;
const PUTS = 1;

function put(words: Words): void {
  Atomics.add(words, ITEMS, 1);
  Atomics.add(words, PUTS, 1);
  Atomics.notify(words, PUTS, 1);
}

function tryTake(words: Words): boolean {
  const items = Atomics.load(words, ITEMS);
  return items > 0 && Atomics.compareExchange(words, ITEMS, items, items - 1) === items;
}

function take({ words }: State): void {
  for (;;) {
    const puts = Atomics.load(words, PUTS);
    if (tryTake(words)) return;
    Atomics.wait(words, PUTS, puts);
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

async function sleepOrLeave(words: Words, puts: number, signal: AbortSignal): Promise<void> {
  const sleep = Atomics.waitAsync(words, PUTS, puts);
  if (sleep.async) await Promise.race([sleep.value, aborted(signal)]);
}

async function sleepOrWakeAll(words: Words, puts: number, signal: AbortSignal): Promise<void> {
  const sleep = Atomics.waitAsync(words, PUTS, puts);
  if (!sleep.async) return;
  const wake = (): void => void Atomics.notify(words, PUTS);
  signal.addEventListener("abort", wake, { once: true });
  await sleep.value;
  signal.removeEventListener("abort", wake);
}

type Sleep = (words: Words, puts: number, signal: AbortSignal) => Promise<void>;

async function takeAsync(words: Words, signal: AbortSignal, sleep: Sleep): Promise<boolean> {
  while (!signal.aborted) {
    const puts = Atomics.load(words, PUTS);
    if (tryTake(words)) return true;
    await sleep(words, puts, signal);
  }
  return false;
}

/** Takes the item and puts it back, unless 10 ms pass first. */
const borrowing =
  (sleep: Sleep) =>
  async ({ words }: State): Promise<void> => {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), 10);
    const taken = await takeAsync(words, controller.signal, sleep);
    clearTimeout(timer);
    if (taken) put(words);
  };

export const abandonedWait = {
  bug: program(import.meta.url, {
    setup: startingAs(0, 0),
    threads: [borrowing(sleepOrLeave), take, ({ words }) => put(words)],
  }),
  twin: program(import.meta.url, {
    setup: startingAs(0, 0),
    threads: [borrowing(sleepOrWakeAll), take, ({ words }) => put(words)],
  }),
};
