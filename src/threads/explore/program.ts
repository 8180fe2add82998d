/**
 * A program is what is explored: shared state, one function per thread, and what must hold at the end. It is declared
 * where it is exported (`export const counter = program(import.meta.url, { … })`), since every thread imports that
 * module again to find it.
 */
import { isLockstepError, LockstepError } from "../../base/index.ts";

/** What the body of a thread is told. */
export interface ThreadContext {
  /** From 0. */
  readonly index: number;
  /** `threadId` as this thread sees it in exploration: index + 1. */
  readonly threadId: number;
  /**
   * Marks the beginning and the end of one operation on the object under test, for `linearizable`: its name, its
   * argument and what it returned (JSON values) go into the history that `check` is given.
   */
  operation<T>(name: string, argument: unknown, perform: () => T): T;
}

export type ThreadBody<State> = (state: State, context: ThreadContext) => unknown;

/**
 * One operation as it happened: `called` and `returned` are step numbers. `returned` is null if its thread died inside.
 */
export interface Operation {
  readonly thread: number;
  readonly name: string;
  readonly argument: unknown;
  readonly result: unknown;
  readonly called: number;
  readonly returned: number | null;
}

/** How a schedule ended, for `check`. */
export interface Ended {
  /** What each thread's body returned (JSON values); undefined for one that died. */
  readonly results: readonly unknown[];
  /** Threads that were killed. */
  readonly died: readonly number[];
  /** In order of `called`. */
  readonly history: readonly Operation[];
}

export interface ProgramSpec<State> {
  /** One line: what it shows. @default its name among the exports */
  readonly title?: string;
  /**
   * Makes the shared state: anything that survives `postMessage`, with typed arrays over `SharedArrayBuffer` and
   * handles of `lockstep/sync` in it. Its bytes are put back before each schedule, and each thread gets a copy of its
   * own of everything that is not shared.
   */
  readonly setup: () => State;
  /** One to eight. Each runs on a worker of its own; it may be async. */
  readonly threads: readonly ThreadBody<State>[];
  /** Runs on a thread of its own after each death, if the exploration kills threads. */
  readonly supervise?: (state: State, death: { readonly thread: number; readonly threadId: number }) => void;
  /** Throws if the state is wrong once every thread has ended. */
  readonly check?: (state: State, ended: Ended) => void;
}

const BRAND = Symbol.for("lockstep.program");

export interface Program<State = unknown> extends ProgramSpec<State> {
  /** The module that exports it. */
  readonly url: string;
}

/** `url` is `import.meta.url`. Export the result, alone or in an array or record. */
export function program<State>(url: string, spec: ProgramSpec<State>): Program<State> {
  if (spec.threads.length < 1 || spec.threads.length > 8)
    throw new LockstepError("OPTION_INVALID", `a program has 1 to 8 threads, not ${spec.threads.length}`, {
      threads: spec.threads.length,
    });
  const made = { ...spec, url, [BRAND]: true };
  return made;
}

/** In a thread of the exploration: the module again, and its program. @throws INPUT_INVALID, NOT_FOUND */
export async function loadProgram(url: string, name: string): Promise<Program> {
  let exports: Record<string, unknown>;
  try {
    exports = (await import(url)) as Record<string, unknown>;
  } catch (thrown) {
    if (isLockstepError(thrown)) throw thrown;
    const what = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
    throw new LockstepError(
      "INPUT_INVALID",
      `${url} cannot be loaded by an explored thread: ${what}`,
      { url },
      {
        cause: thrown,
      },
    );
  }
  const found = programsOf(exports).get(name);
  if (found === undefined)
    throw new LockstepError(
      "NOT_FOUND",
      `${url} exports no program "${name}" where an explored thread loads it: its exports have to be the same ` +
        "each time",
      { url, program: name },
    );
  return found;
}

export function isProgram(value: unknown): value is Program {
  return typeof value === "object" && value !== null && BRAND in value;
}

/**
 * Every program that a module exports: by export name, and by `name.key` where it exports an array or a record of them.
 */
export function programsOf(exports: Readonly<Record<string, unknown>>): ReadonlyMap<string, Program> {
  const found = new Map<string, Program>();
  for (const [name, value] of Object.entries(exports)) {
    if (isProgram(value)) found.set(name, value);
    else if (typeof value === "object" && value !== null)
      for (const [key, inner] of Object.entries(value)) if (isProgram(inner)) found.set(`${name}.${key}`, inner);
  }
  return found;
}
