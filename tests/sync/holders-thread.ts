/**
 * What worker threads do in the tests of read-write lock, semaphore, condition and once. `cells` says how far they are,
 * and what they saw.
 */
import { parentPort, threadId, workerData } from "node:worker_threads";
import {
  AbortWord,
  Condition,
  Latch,
  Mutex,
  Once,
  RwLock,
  Semaphore,
  type AbortHandle,
  type ConditionHandle,
  type MutexHandle,
  type OnceHandle,
  type RwLockHandle,
  type SemaphoreHandle,
} from "../../src/threads/sync/index.ts";

interface Common {
  readonly cells: Int32Array;
  readonly abort?: AbortHandle;
  readonly timeoutMs?: number;
}

export type HolderScenario = Common &
  (
    | {
        readonly kind: "rw-mixed";
        readonly lock: RwLockHandle;
        readonly rounds: number;
        readonly everyNthWrites: number;
      }
    | { readonly kind: "rw-hold"; readonly lock: RwLockHandle; readonly mode: "read" | "write" }
    | { readonly kind: "rw-once"; readonly lock: RwLockHandle; readonly mode: "read" | "write" }
    | { readonly kind: "rw-async-mixed"; readonly lock: RwLockHandle; readonly rounds: number }
    | {
        readonly kind: "semaphore-mixed";
        readonly semaphore: SemaphoreHandle;
        readonly rounds: number;
        readonly most: number;
      }
    | { readonly kind: "semaphore-hold"; readonly semaphore: SemaphoreHandle; readonly permits: number }
    | { readonly kind: "semaphore-once"; readonly semaphore: SemaphoreHandle; readonly permits: number }
    | {
        readonly kind: "produce" | "consume";
        readonly mutex: MutexHandle;
        readonly notEmpty: ConditionHandle;
        readonly notFull: ConditionHandle;
        readonly rounds: number;
      }
    | { readonly kind: "condition-wait"; readonly mutex: MutexHandle; readonly condition: ConditionHandle }
    | { readonly kind: "once-run"; readonly once: OnceHandle; readonly onOwnerDied?: "retry" }
    | { readonly kind: "once-hang"; readonly once: OnceHandle }
  );

const scenario = workerData as HolderScenario;
const { cells } = scenario;
const options = {
  ...(scenario.timeoutMs === undefined ? {} : { timeoutMs: scenario.timeoutMs }),
  ...(scenario.abort === undefined ? {} : { abort: AbortWord.attach(scenario.abort) }),
};

/** Tells the main thread how far this one is: cell 0 counts. */
function arrived(): void {
  Atomics.add(cells, 0, 1);
  Atomics.notify(cells, 0);
}

function hang(): never {
  Latch.create(1).wait();
  throw new Error("unreachable");
}

/** Plain writes and reads of two cells: what is not exclusive shows as a difference or a lost update. */
function writeInside(): void {
  cells[1] = cells[1]! + 1;
  cells[2] = cells[2]! + 1;
}

function readInside(): void {
  const [one, two] = [cells[1], cells[2]];
  if (one !== two) throw new Error(`a reader saw ${one} and ${two}`);
}

async function perform(): Promise<unknown> {
  switch (scenario.kind) {
    case "rw-mixed": {
      const lock = RwLock.attach(scenario.lock);
      let written = 0;
      for (let i = 0; i < scenario.rounds; i++) {
        if (i % scenario.everyNthWrites === 0) {
          using _guard = lock.write();
          writeInside();
          written++;
        } else {
          using _guard = lock.read();
          readInside();
        }
      }
      return written;
    }
    case "rw-async-mixed": {
      const lock = RwLock.attach(scenario.lock);
      const task = async (): Promise<number> => {
        for (let i = 0; i < scenario.rounds; i++) {
          await lock.withWrite(writeInside);
          await lock.withRead(readInside);
        }
        return scenario.rounds;
      };
      return (await Promise.all([task(), task()])).reduce((sum, rounds) => sum + rounds, 0);
    }
    case "rw-hold": {
      const lock = RwLock.attach(scenario.lock);
      if (scenario.mode === "read") lock.read();
      else lock.write();
      arrived();
      return hang();
    }
    case "rw-once": {
      const lock = RwLock.attach(scenario.lock);
      arrived();
      using _guard = scenario.mode === "read" ? lock.read(options) : lock.write(options);
      return threadId;
    }
    case "semaphore-mixed": {
      const semaphore = Semaphore.attach(scenario.semaphore);
      let most = 0;
      for (let i = 0; i < scenario.rounds; i++) {
        using guard = semaphore.acquire(1 + (i % scenario.most));
        most = Math.max(most, Atomics.add(cells, 1, guard.permits) + guard.permits);
        Atomics.sub(cells, 1, guard.permits);
      }
      return most;
    }
    case "semaphore-hold":
      Semaphore.attach(scenario.semaphore).acquire(scenario.permits);
      arrived();
      return hang();
    case "semaphore-once": {
      arrived();
      using guard = Semaphore.attach(scenario.semaphore).acquire(scenario.permits, options);
      return guard.permits;
    }
    case "produce":
    case "consume": {
      const mutex = Mutex.attach(scenario.mutex);
      const [notEmpty, notFull] = [
        Condition.attach(scenario.notEmpty, mutex),
        Condition.attach(scenario.notFull, mutex),
      ];
      let sum = 0;
      for (let i = 1; i <= scenario.rounds; i++) {
        using guard = notEmpty.lock();
        if (scenario.kind === "produce") {
          notFull.waitFor(guard, () => cells[1] === 0);
          cells[1] = i;
          notEmpty.notifyOne();
        } else {
          notEmpty.waitFor(guard, () => cells[1] !== 0);
          sum += cells[1]!;
          cells[1] = 0;
          notFull.notifyOne();
        }
      }
      return sum;
    }
    case "condition-wait": {
      const condition = Condition.attach(scenario.condition, Mutex.attach(scenario.mutex));
      using guard = condition.lock();
      arrived();
      condition.waitFor(guard, () => cells[1]! > 0, options);
      cells[1] = cells[1]! - 1;
      return threadId;
    }
    case "once-run":
      return Once.attach(scenario.once).run(
        (run) => {
          cells[1] = cells[1]! + 1;
          if (run.ownerDied) cells[2] = 1;
        },
        scenario.onOwnerDied === undefined ? options : { ...options, onOwnerDied: scenario.onOwnerDied },
      );
    case "once-hang":
      return Once.attach(scenario.once).run(() => {
        arrived();
        hang();
      });
  }
}

try {
  parentPort!.postMessage({ value: await perform() });
} catch (thrown) {
  parentPort!.postMessage({ code: (thrown as { code?: string }).code ?? "?", message: (thrown as Error).message });
}
