/** Every prefix of a recorded run, and many ways to find the disk after each. */
import { SimulatedDisk, type Choose, type Operation } from "./simulated-disk.ts";

/** Beyond the extremes and, where there are few choices, all of them. */
const SAMPLES = 100;
const EXHAUSTIVE = 128;

export interface Crash {
  /** Operations done before the power failed. */
  readonly done: number;
  readonly disk: SimulatedDisk;
}

/** `before` is durable; power fails after 0, 1, … all of `log`. */
export function* crashes(before: readonly Operation[], log: readonly Operation[]): Generator<Crash> {
  for (let done = 0; done <= log.length; done++) {
    const disk = new SimulatedDisk();
    for (const operation of before) disk.apply(operation);
    const start = disk.afterCrash(() => 1); // whatever came before is there
    for (const operation of log.slice(0, done)) start.apply(operation);
    yield* found(start, done);
  }
}

function* found(disk: SimulatedDisk, done: number): Generator<Crash> {
  const every = [...exhaustive(disk)];
  if (every.length <= EXHAUSTIVE) {
    for (const found of every) yield { done, disk: found };
    return;
  }
  for (const constant of [0, 1, 2, 3]) yield { done, disk: disk.afterCrash((options) => constant % options) };
  const random = generator(done + 1);
  for (let i = 0; i < SAMPLES; i++) yield { done, disk: disk.afterCrash((options) => Math.floor(random() * options)) };
}

/** All combinations of choices, depth first; stops once there are too many. */
function* exhaustive(disk: SimulatedDisk): Generator<SimulatedDisk> {
  const script: { value: number; options: number }[] = [];
  for (let count = 0; count <= EXHAUSTIVE; count++) {
    let at = 0;
    const choose: Choose = (options) => {
      const choice = script[at] ?? (script[at] = { value: 0, options });
      at++;
      return choice.value;
    };
    yield disk.afterCrash(choose);
    script.length = at;
    while (script.length > 0 && script.at(-1)!.value + 1 === script.at(-1)!.options) script.pop();
    const last = script.at(-1);
    if (last === undefined) return;
    last.value++;
  }
}

function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
