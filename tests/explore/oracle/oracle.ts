/**
 * The plainest possible judge of little programs: a step is one operation on memory, every thread may take the next
 * one, and every state that can be reached is visited. It gives every way in which the program can end, at sequential
 * consistency: how its threads return, that they all sleep, or that some read for ever what nobody will change.
 */
import type { Op, Small, Type } from "./small.ts";

interface Thread {
  readonly at: number;
  /** Within an operation of several steps: tries left, or what was read. */
  readonly inner: number | null;
  readonly asleep: boolean;
  readonly results: readonly (number | string)[];
}
interface State {
  readonly words: readonly number[];
  readonly threads: readonly Thread[];
  /** Who sleeps on which word, longest first. */
  readonly sleepers: readonly { readonly thread: number; readonly at: number }[];
}

/** Null: more than `limit` states. */
export function everyEnd(program: Small, limit: number): Set<string> | null {
  const first: State = {
    words: [0, 0, 0],
    threads: program.threads.map(() => ({ at: 0, inner: null, asleep: false, results: [] })),
    sleepers: [],
  };
  const states = new Map<string, State>([[JSON.stringify(first), first]]);
  const before = new Map<string, string[]>();
  const ends = new Map<string, string>();
  for (const [key, state] of states) {
    if (states.size > limit) return null;
    const next = steps(program, state);
    if (next.length === 0) ends.set(key, endOf(program, state));
    for (const reached of next) {
      const name = JSON.stringify(reached);
      before.set(name, [...(before.get(name) ?? []), key]);
      if (!states.has(name)) states.set(name, reached);
    }
  }
  const found = new Set(ends.values());
  const ending = new Set(ends.keys());
  for (const key of ending) for (const earlier of before.get(key) ?? []) ending.add(earlier);
  // Of those from which no end can be reached, the last: what can be reached from them can reach them.
  const reach = new Map<string, ReadonlySet<string>>();
  for (const [key, state] of states) if (!ending.has(key)) reach.set(key, reachable(program, state));
  for (const [key, { words }] of states) {
    const all = reach.get(key);
    if (all !== undefined && [...all].every((other) => reach.get(other)!.size === all.size))
      found.add(JSON.stringify(["endless", words]));
  }
  return found;
}

function reachable(program: Small, from: State): Set<string> {
  const found = new Map([[JSON.stringify(from), from]]);
  for (const state of found.values()) for (const next of steps(program, state)) found.set(JSON.stringify(next), next);
  return new Set(found.keys());
}

function endOf({ threads }: Small, state: State): string {
  const results = state.threads.map((thread, index) => (thread.at === threads[index]!.length ? thread.results : null));
  return JSON.stringify([results.includes(null) ? "asleep" : "ended", state.words, results]);
}

function steps(program: Small, state: State): State[] {
  return state.threads.flatMap((thread, index) => {
    const op = program.threads[index]![thread.at];
    if (op === undefined) return [];
    if (thread.asleep) return op.op === "waitTimed" ? [timeOut(state, index)] : [];
    return [step(program.type, state, index, op)];
  });
}

function timeOut(state: State, index: number): State {
  const sleepers = state.sleepers.filter(({ thread }) => thread !== index);
  return done({ ...state, sleepers }, index, "timed-out");
}

/** What the word holds when this is stored. */
function stored(type: Type, at: number, value: number): number {
  const number = BigInt(value);
  switch (at < 2 ? "Int32Array" : type) {
    case "Int32Array":
      return Number(BigInt.asIntN(32, number));
    case "Int16Array":
      return Number(BigInt.asIntN(16, number));
    case "Int8Array":
      return Number(BigInt.asIntN(8, number));
    case "Uint32Array":
      return Number(BigInt.asUintN(32, number));
    case "Uint16Array":
      return Number(BigInt.asUintN(16, number));
    case "Uint8Array":
      return Number(BigInt.asUintN(8, number));
  }
}

function step(type: Type, state: State, index: number, op: Op): State {
  const { inner } = state.threads[index]!;
  const old = state.words[op.at]!;
  const write = (value: number): State => ({
    ...state,
    words: state.words.map((word, at) => (at === op.at ? stored(type, at, value) : word)),
  });
  switch (op.op) {
    case "load":
      return done(state, index, old);
    case "store":
      return done(write(op.value), index, op.value);
    case "release":
      return done(write(0), index, 0);
    case "add":
      return done(write(old + op.value), index, old);
    case "exchange":
      return done(write(op.value), index, old);
    case "cas":
      return done(old === stored(type, op.at, op.expected) ? write(op.value) : state, index, old);
    case "until":
      return old === op.value ? done(state, index, old) : state;
    case "tries": {
      const left = (inner ?? op.tries) - (old === op.value ? 0 : 1);
      return old === op.value || left === 0 ? done(state, index, left) : within(state, index, { inner: left });
    }
    case "retry":
      if (inner === null) return within(state, index, { inner: old });
      return inner === old ? done(write(old + 1), index, old) : within(state, index, { inner: null });
    case "acquire":
      return old === 0 ? done(write(1), index, 0) : state;
    case "wait":
    case "waitTimed": {
      if (old !== op.value) return done(state, index, "not-equal");
      const sleepers = [...state.sleepers, { thread: index, at: op.at }];
      return within({ ...state, sleepers }, index, { asleep: true });
    }
    case "notify": {
      const woken = state.sleepers.filter(({ at }) => at === op.at).slice(0, op.count);
      const sleepers = state.sleepers.filter((sleeper) => !woken.includes(sleeper));
      const after = woken.reduce<State>((now, { thread }) => done(now, thread, "ok"), { ...state, sleepers });
      return done(after, index, woken.length);
    }
  }
}

function within(state: State, index: number, change: Partial<Thread>): State {
  return {
    ...state,
    threads: state.threads.map((thread, at) => (at === index ? { ...thread, ...change } : thread)),
  };
}

/** The operation is over, and returns this. */
function done(state: State, index: number, result: number | string): State {
  const { at, results } = state.threads[index]!;
  return within(state, index, { at: at + 1, inner: null, asleep: false, results: [...results, result] });
}
