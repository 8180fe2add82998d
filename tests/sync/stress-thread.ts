/**
 * One of the workers of the stress test: so many operations on one primitive, with plain memory that the primitive
 * alone protects.
 */
import { parentPort, workerData } from "node:worker_threads";
import {
  Barrier,
  Channel,
  Condition,
  Counter,
  EpochCell,
  Mutex,
  NumberChannel,
  RwLock,
  SeqlockCell,
  Semaphore,
  type BarrierHandle,
  type ChannelHandle,
  type ConditionHandle,
  type CounterHandle,
  type EpochHandle,
  type MutexHandle,
  type NumberChannelHandle,
  type RwLockHandle,
  type SemaphoreHandle,
  type SeqlockHandle,
} from "../../src/threads/sync/index.ts";

export interface Shared {
  readonly mutex: MutexHandle;
  readonly condition: ConditionHandle;
  readonly rwlock: RwLockHandle;
  readonly semaphore: SemaphoreHandle;
  readonly barrier: BarrierHandle;
  readonly counter: CounterHandle;
  readonly messages: ChannelHandle<number>;
  readonly numbers: NumberChannelHandle<"int32">;
  readonly seqlock: SeqlockHandle;
  readonly epoch: EpochHandle;
  /** Plain memory, eight words for each primitive. */
  readonly cells: Int32Array<SharedArrayBuffer>;
}
export type Kind =
  "mutex" | "condition" | "rwlock" | "semaphore" | "barrier" | "counter" | "messages" | "numbers" | "seqlock" | "epoch";
export interface Task {
  readonly shared: Shared;
  readonly kind: Kind;
  readonly index: number;
  readonly threads: number;
  readonly times: number;
}

const { shared, kind, index, threads, times } = workerData as Task;
const { cells } = shared;
const require = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
};

/** What this thread contributes to the sum that the test expects; the operations themselves are `times`. */
function perform(): number {
  switch (kind) {
    case "mutex": {
      const mutex = Mutex.attach(shared.mutex);
      for (let i = 0; i < times; i++) {
        const guard = mutex.lock();
        cells[0] = cells[0]! + 1;
        guard.release();
      }
      return times;
    }
    case "condition": {
      // Threads take turns: turn t belongs to thread t mod threads.
      const condition = Condition.attach(shared.condition, Mutex.attach(shared.mutex));
      for (let i = 0; i < times; i++) {
        const guard = condition.lock();
        condition.waitFor(guard, () => cells[8]! % threads === index);
        cells[8] = cells[8]! + 1;
        condition.notifyAll();
        guard.release();
      }
      return times;
    }
    case "rwlock": {
      const lock = RwLock.attach(shared.rwlock);
      for (let i = 0; i < times; i++) {
        if (i % 4 === 0) {
          const guard = lock.write();
          cells[16] = cells[16]! + 1;
          cells[17] = cells[17]! + 1;
          guard.release();
        } else {
          const guard = lock.read();
          require(cells[16] === cells[17], "a reader saw half a write");
          guard.release();
        }
      }
      return Math.ceil(times / 4);
    }
    case "semaphore": {
      const semaphore = Semaphore.attach(shared.semaphore);
      for (let i = 0; i < times; i++) {
        const guard = semaphore.acquire();
        require(Atomics.add(cells, 24, 1) < 3, "more inside than permits");
        Atomics.sub(cells, 24, 1);
        guard.release();
      }
      return times;
    }
    case "barrier": {
      const barrier = Barrier.attach(shared.barrier);
      for (let round = 1; round <= times; round++) {
        cells[32 + index] = round;
        barrier.wait();
        for (let other = 0; other < threads; other++)
          require(cells[32 + other]! >= round, "somebody passed a barrier that not all had reached");
        barrier.wait();
      }
      return times;
    }
    case "counter": {
      const counter = Counter.attach(shared.counter);
      for (let i = 0; i < times; i++) counter.add(i % 3);
      return Array.from({ length: 3 }, (_, rest) => rest * Math.ceil((times - rest) / 3)).reduce(
        (sum, part) => sum + part,
        0,
      );
    }
    case "messages": {
      const channel = Channel.attach<number>(shared.messages);
      return index % 2 === 0 ? send((value) => channel.send(value)) : receive(() => channel.receive());
    }
    case "numbers": {
      const channel = NumberChannel.attach(shared.numbers);
      return index % 2 === 0 ? send((value) => channel.send(value)) : receive(() => channel.receive());
    }
    case "seqlock": {
      const cell = SeqlockCell.attach(shared.seqlock);
      for (let i = 0; i < times; i++) {
        if (i % 8 === 0) {
          cell.update((words) => {
            words.forEach((word, at) => {
              words[at] = word + 1;
            });
          });
        } else {
          const words = cell.read();
          require(words.every((word) => word === words[0]), "a torn read");
        }
      }
      return Math.ceil(times / 8);
    }
    case "epoch": {
      const cell = EpochCell.attach(shared.epoch);
      let newest = 0;
      for (let i = 0; i < times; i++) {
        if (index === 0 && i % 16 === 0) {
          const reservation = cell.reserve();
          const version = (cell.version ?? 0) + 1;
          cells.fill(version, 64 + 8 * reservation.slot, 72 + 8 * reservation.slot);
          reservation.publish(version);
        } else {
          const pin = cell.pin();
          require(pin.version >= newest, "a version went back");
          newest = pin.version;
          for (let at = 0; at < 8; at++)
            require(cells[64 + 8 * pin.slot + at] === pin.version, "a slot was reused while it was pinned");
          pin.unpin();
        }
      }
      return index === 0 ? Math.ceil(times / 16) : 0;
    }
  }
}

function send(put: (value: number) => void): number {
  for (let i = 0; i < times; i++) put(i % 1000);
  return sumSent();
}

function receive(take: () => number | null): number {
  let sum = 0;
  for (let i = 0; i < times; i++) sum -= take() ?? Number.NaN;
  return sum;
}

function sumSent(): number {
  let sum = 0;
  for (let i = 0; i < times; i++) sum += i % 1000;
  return sum;
}

try {
  parentPort!.postMessage({ sum: perform() });
} catch (thrown) {
  parentPort!.postMessage({ error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) });
}
