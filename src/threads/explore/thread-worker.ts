/**
 * An explored thread. What explored code would use of the platform is replaced before that code is loaded; then the
 * thread runs its body once for each schedule, whenever the baton comes.
 */
import "./native.ts";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { encodeError, LockstepError, type EncodedError } from "../../base/index.ts";
import { exploredAtomics } from "./atomics.ts";
import { awaitBaton, giveBaton } from "./baton.ts";
import { CONTROLLER, H, KIND, STATUS, T, threadBase } from "./control.ts";
import type { FileHits } from "./instrument/branches.ts";
import { installAccess } from "./instrument/builtins.ts";
import { installLoadHook } from "./instrument/hooks.ts";
import { exploredChannel, ExploredPort } from "./ports.ts";
import { loadProgram, type Operation, type Program, type ThreadContext } from "./program.ts";
import { Cut, ThreadRuntime } from "./runtime.ts";
import { callSite } from "./sites.ts";
import { copyState, isThenable, sharedParts } from "./state.ts";
import type { ThreadReady, ThreadReport, ThreadSetup } from "./thread-messages.ts";
import { installTime } from "./time.ts";

const setup = workerData as ThreadSetup & { readonly port: MessagePort };
const { control, index, state: template, port } = setup;
const runtime = new ThreadRuntime(control, index);
runtime.site = callSite;
const buffers = sharedParts(template).map(({ buffer }) => buffer);
runtime.know(buffers);

/** Packages, and what else runs as it is; those that the controller has not been told of. */
const unwatched = new Set<string>();
const untold: string[] = [];
const untoldFiles: FileHits[] = [];
const onUnwatched = (what: string): void => {
  if (!unwatched.has(what)) untold.push(what);
  unwatched.add(what);
};

let uncaught: unknown = null;
const onUncaught = (thrown: unknown): void => {
  if (thrown instanceof Cut) return;
  uncaught ??= thrown;
};
process.on("uncaughtException", onUncaught);
process.on("unhandledRejection", onUncaught);
/** Code that ends its thread: the controller sleeps, and hears of it by getting the baton. */
process.on("exit", (code) => {
  if (control[H.EXIT] !== 0 || !runtime.active) return;
  control[H.GONE] = index + 1;
  control[H.GONE_CODE] = code;
  giveBaton(control, CONTROLLER);
});

async function load(): Promise<Program> {
  resets = installAccess({
    plain(buffer, byteOffset, byteLength, write) {
      if (!runtime.active || buffer === control.buffer) return;
      const event = runtime.point(write ? KIND.WRITE : KIND.READ, runtime.bufferId(buffer), byteOffset, byteLength);
      runtime.did(event, 0, 0, write, !write);
    },
    refuse(what) {
      if (runtime.active) runtime.refuse(what);
      throw new LockstepError("INPUT_INVALID", `${what} (${callSite()})`); // while it loads
    },
    unwatched: onUnwatched,
  });
  immediates = installTime(runtime);
  globalThis.Atomics = exploredAtomics(runtime);
  installWorkerThreads();
  installGrow();
  installLoadHook({ onUnwatched, root: setup.root, onFile: (hits) => void untoldFiles.push(hits) });
  return await loadProgram(setup.url, setup.program);
}

interface GrowingMemory {
  readonly buffer: ArrayBufferLike;
  grow(this: GrowingMemory, pages: number): number;
}

/**
 * Memory that has grown cannot be put back as it was, so what other threads see may not grow. Code may be at it before
 * the explorer would see anything of it: the function itself is replaced.
 */
function installGrow(): void {
  const grow = Object.getOwnPropertyDescriptor(SharedArrayBuffer.prototype, "grow")!;
  const { WebAssembly } = globalThis as unknown as { WebAssembly: { Memory: { prototype: GrowingMemory } } };
  const memory = WebAssembly.Memory.prototype;
  const { grow: growMemory } = memory;
  const refuse = (what: string): never =>
    runtime.refuse(
      `${what} on memory of the program's state cannot be explored, since it cannot be put back for the next ` +
        "schedule: make it at its full size in setup",
    );
  Object.defineProperty(SharedArrayBuffer.prototype, "grow", {
    ...grow,
    value: {
      grow(this: SharedArrayBuffer, length: number): void {
        if (runtime.active && buffers.includes(this)) refuse("SharedArrayBuffer.prototype.grow()");
        Reflect.apply(grow.value as (length: number) => void, this, [length]);
      },
    }.grow,
  });
  memory.grow = {
    grow(this: GrowingMemory, pages: number): number {
      const { buffer } = this;
      if (runtime.active && buffer instanceof SharedArrayBuffer && buffers.includes(buffer))
        refuse("WebAssembly.Memory.prototype.grow()");
      return Reflect.apply(growMemory, this, [pages]);
    },
  }.grow;
}

/** What explored code imports from `node:worker_threads`. */
function installWorkerThreads(): void {
  const workers = createRequire(import.meta.url)("node:worker_threads") as {
    threadId: number;
    MessageChannel: unknown;
    receiveMessageOnPort: (port: MessagePort) => unknown;
  };
  const receive = workers.receiveMessageOnPort;
  workers.threadId = index + 1;
  workers.MessageChannel = exploredChannel(runtime, buffers);
  workers.receiveMessageOnPort = (from: unknown) =>
    from instanceof ExploredPort ? from.receive() : receive(from as MessagePort);
  (globalThis as { MessageChannel: unknown }).MessageChannel = workers.MessageChannel;
  syncBuiltinESMExports();
}

/** How many callbacks of `setImmediate` wait. */
let immediates = (): number => 0;
/** Filled while the explored modules load. */
let resets: readonly (() => void)[] = [];

function body(program: Program, state: unknown, context: ThreadContext): unknown {
  if (!setup.supervisor) return program.threads[index]!(state, context);
  let result: unknown = null;
  for (let dead = nextDeath(); dead !== null; dead = nextDeath())
    result = program.supervise!(state, { thread: dead, threadId: dead + 1 });
  return result;
}

function nextDeath(): number | null {
  const deaths = control[H.DEATHS]!;
  if (deaths === 0) return null;
  const dead = 31 - Math.clz32(deaths & -deaths);
  control[H.DEATHS] = deaths & ~(1 << dead);
  return dead;
}

/** Lets everything that the last settled promise set off run to its end. */
const giveWay = (): Promise<void> =>
  new Promise((resolve) => {
    realImmediate(resolve);
  });
const realImmediate = setImmediate;

/**
 * Runs the body once. Synchronous bodies never leave this function's first part, so most schedules need no turn of the
 * event loop.
 */
async function runAsync(pending: Promise<unknown>): Promise<unknown> {
  let settled: { readonly value: unknown } | { readonly thrown: unknown } | null = null;
  pending.then(
    (value) => {
      settled = { value };
    },
    (thrown: unknown) => {
      settled = { thrown };
    },
  );
  for (;;) {
    do await giveWay();
    while (immediates() > 0);
    const now = settled as { readonly value: unknown } | { readonly thrown: unknown } | null;
    if (uncaught !== null) throw uncaught as Error;
    if (now !== null) {
      if ("thrown" in now) throw now.thrown as Error;
      return now.value;
    }
    if (!runtime.idle()) throw new Cut("this schedule is over");
  }
}

async function serve(program: Program): Promise<never> {
  for (;;) {
    awaitBaton(control, index);
    if (control[H.EXIT] !== 0) process.exit(0);
    uncaught = null;
    for (const reset of resets) reset();
    runtime.beginRun();
    const operations: Operation[] = [];
    const report: { -readonly [Key in keyof ThreadReport]: ThreadReport[Key] } = { thread: index };
    try {
      control[threadBase(index) + T.STATUS] = STATUS.READY;
      const returned = body(
        program,
        copyState(template, (mark) => new ExploredPort(runtime, buffers, mark)),
        context(operations),
      );
      const result = isThenable(returned) ? await runAsync(Promise.resolve(returned)) : returned;
      if (result !== undefined) report.result = result;
    } catch (thrown) {
      if (!(thrown instanceof Cut) && !runtime.killed && control[H.CUT] === 0) {
        report.error = {
          ...encodeError(thrown),
          stack: (thrown as Error | null)?.stack,
          name: thrown instanceof Error ? thrown.name : "Error",
        };
        runtime.fail();
      }
    }
    if (operations.length > 0) report.operations = operations;
    if (control[H.SITES] === 1) report.sites = new Map(runtime.sites);
    const cutSites = runtime.newCutSites();
    if (cutSites.length > 0) report.cutSites = cutSites;
    if (untold.length > 0) report.unwatched = untold.splice(0);
    if (untoldFiles.length > 0) report.files = untoldFiles.splice(0);
    if (runtime.refused !== null) report.refused = encodeRefusal(runtime.refused);
    if (Object.keys(report).length > 1) send(report);
    runtime.endRun();
  }
}

function encodeRefusal({ code, message, details }: LockstepError): EncodedError {
  return encodeError(new LockstepError(code, `thread ${index} of "${setup.program}": ${message}`, details));
}

/** What cannot be sent would leave the controller waiting: it is said instead. */
function send(report: ThreadReport): void {
  try {
    port.postMessage(report);
  } catch (thrown) {
    const what = isSendable(report.result) ? "noted an operation that" : "returned what";
    runtime.fail();
    port.postMessage({
      thread: index,
      refused: encodeError(
        new LockstepError(
          "INPUT_INVALID",
          `thread ${index} of "${setup.program}" ${what} cannot be sent to check (${(thrown as Error).message}): ` +
            "what threads return, and the arguments and results of operations, are plain data; return nothing where " +
            "check does not need it",
        ),
      ),
    } satisfies ThreadReport);
  }
}

function isSendable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

function context(operations: Operation[]): ThreadContext {
  return {
    index,
    threadId: index + 1,
    operation<T>(name: string, argument: unknown, perform: () => T): T {
      const called = mark(KIND.INVOKE);
      const operation = {
        thread: index,
        name,
        argument,
        result: undefined as unknown,
        called,
        returned: null as number | null,
      };
      operations.push(operation);
      const finish = (result: unknown): void => {
        operation.returned = mark(KIND.RESPOND);
        operation.result = result;
      };
      const result = perform();
      if (!isThenable(result)) {
        finish(result);
        return result;
      }
      return result.then((value) => {
        finish(value);
        return value;
      }) as T;
    },
  };
}

function mark(kind: number): number {
  const event = runtime.point(kind, -100, 0, 0);
  runtime.did(event, 0, 0, false, false);
  return runtime.step - 1;
}

const say = (message: ThreadReady): void => parentPort!.postMessage(message);
try {
  const program = await load();
  say({ kind: "ready", unwatched: untold.splice(0), files: untoldFiles.splice(0) });
  await serve(program);
} catch (thrown) {
  say({
    kind: "failed",
    error: encodeError(thrown instanceof Error ? thrown : new LockstepError("INTERNAL", String(thrown))),
  });
}
