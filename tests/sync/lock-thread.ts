/** A thread on a string: does to its mutexes what it is told, one command after the other, and answers each. */
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import {
  AbortWord,
  joinSupervisor,
  Mutex,
  Supervisor,
  type AbortHandle,
  type MutexGuard,
  type MutexHandle,
} from "../../src/threads/sync/index.ts";

export type Command =
  | {
      readonly do: "lock" | "lockForRepair";
      readonly mutex: number;
      readonly timeoutMs?: number;
      readonly abortable?: boolean;
    }
  | { readonly do: "tryLock" | "lockAsync" | "release" | "poison"; readonly mutex: number }
  | { readonly do: "create"; readonly name: string }
  /** Supervises somebody itself, and goes on doing so. */
  | { readonly do: "supervise" }
  | { readonly do: "end" };

export interface ThreadData {
  readonly mutexes: readonly MutexHandle[];
  readonly abort?: AbortHandle;
  readonly supervisor?: MessagePort;
}

export interface Answer {
  readonly value?: unknown;
  readonly code?: string;
  readonly message?: string;
}

const data = workerData as ThreadData;
if (data.supervisor !== undefined) joinSupervisor(data.supervisor);
const mutexes = data.mutexes.map((handle) => Mutex.attach(handle));
const abort = data.abort === undefined ? undefined : AbortWord.attach(data.abort);
const guards = new Map<number, MutexGuard>();
const given: MessagePort[] = [];

async function perform(command: Command): Promise<unknown> {
  switch (command.do) {
    case "lock":
    case "lockForRepair": {
      const options = {
        ...(command.timeoutMs === undefined ? {} : { timeoutMs: command.timeoutMs }),
        ...(command.abortable && abort !== undefined ? { abort } : {}),
      };
      const guard = mutexes[command.mutex]![command.do](options);
      guards.set(command.mutex, guard);
      return guard.broken;
    }
    case "tryLock": {
      const guard = mutexes[command.mutex]!.tryLock();
      if (guard !== null) guards.set(command.mutex, guard);
      return guard !== null;
    }
    case "lockAsync":
      guards.set(command.mutex, await mutexes[command.mutex]!.lockAsync());
      return null;
    case "release":
    case "poison":
      guards.get(command.mutex)![command.do]();
      return null;
    case "create":
      mutexes.push(Mutex.create({ name: command.name }));
      return mutexes.at(-1)!.handle;
    case "supervise":
      given.push(new Supervisor().port());
      return null;
    case "end":
      parentPort!.close();
      return null;
  }
}

parentPort!.on("message", (command: Command) => {
  perform(command).then(
    (value) => parentPort!.postMessage({ value } satisfies Answer),
    (thrown: unknown) =>
      parentPort!.postMessage({
        code: (thrown as { code?: string }).code ?? "?",
        message: (thrown as Error).message,
      } satisfies Answer),
  );
});
