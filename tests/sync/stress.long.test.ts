/**
 * Free-running threads: eight workers, ten million operations in all, exact sums, nothing lost, nothing torn, no hang.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
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
} from "../../src/threads/sync/index.ts";
import type { Kind, Shared, Task } from "./stress-thread.ts";

const THREADS = 8;
/** Operations of each kind, in thousands, of all threads together: ten million. */
const THOUSANDS: Readonly<Record<Kind, number>> = {
  mutex: 3000,
  condition: 40,
  rwlock: 400,
  semaphore: 160,
  barrier: 80,
  counter: 2200,
  messages: 320,
  numbers: 1200,
  seqlock: 1000,
  epoch: 1600,
};

function makeShared(): Shared {
  const mutex = Mutex.create();
  const epoch = EpochCell.create(3);
  const cells = new Int32Array(new SharedArrayBuffer(4 * 96));
  const first = epoch.reserve();
  cells.fill(1, 64 + 8 * first.slot, 72 + 8 * first.slot);
  first.publish(1);
  return {
    mutex: mutex.handle,
    condition: Condition.create(mutex).handle,
    rwlock: RwLock.create().handle,
    semaphore: Semaphore.create(3).handle,
    barrier: Barrier.create(THREADS).handle,
    counter: Counter.create().handle,
    messages: Channel.create<number>({ capacity: 64, bytes: 16 }).handle,
    numbers: NumberChannel.create({ capacity: 256, type: "int32" }).handle,
    seqlock: SeqlockCell.create(6).handle,
    epoch: epoch.handle,
    cells,
  };
}

async function run(task: Task): Promise<number> {
  const worker = new Worker(new URL("./stress-thread.ts", import.meta.url), { workerData: task });
  const message = await new Promise<{ sum: number } | { error: string }>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  await worker.terminate();
  if ("error" in message) throw new Error(message.error);
  return message.sum;
}

/** What the shared state says the sum is. */
const SEEN: Readonly<Record<Kind, (shared: Shared, times: number) => number>> = {
  mutex: ({ cells }) => cells[0]!,
  condition: ({ cells }) => cells[8]!,
  rwlock: ({ cells }) => cells[16]!,
  semaphore: ({ semaphore }, times) => (Semaphore.attach(semaphore).available === 3 ? times * THREADS : NaN),
  barrier: (_, times) => times * THREADS,
  counter: ({ counter }) => Counter.attach(counter).value,
  messages: ({ messages }) => Channel.attach(messages).size,
  numbers: ({ numbers }) => NumberChannel.attach(numbers).size,
  seqlock: ({ seqlock }) => SeqlockCell.attach(seqlock).read()[0]!,
  epoch: ({ epoch }) => EpochCell.attach(epoch).version! - 1,
};

let operations = 0;
for (const [kind, thousands] of Object.entries(THOUSANDS) as [Kind, number][]) {
  const times = (thousands * 1000) / THREADS;
  test(`${kind}: ${(thousands * 1000).toLocaleString("en")} operations on ${THREADS} threads`, async () => {
    const shared = makeShared();
    const sums = await Promise.all(
      Array.from({ length: THREADS }, (_, index) => run({ shared, kind, index, threads: THREADS, times })),
    );
    assert.equal(
      SEEN[kind](shared, times),
      sums.reduce((sum, part) => sum + part, 0),
    );
    operations += thousands * 1000;
  });
}

test("these were ten million operations", () => {
  assert.equal(operations, 10_000_000);
});
