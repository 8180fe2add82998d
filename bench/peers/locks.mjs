/**
 * `node locks.mjs THREADS TIMES`: that many threads, each requesting one lock of `worker_threads.locks` that many
 * times.
 * Prints the seconds that all of them took. A process of its own, since Node 24.21 aborts when a worker ends while it
 * waits for such a lock; what was printed before counts.
 */
import { locks, parentPort, Worker, workerData } from "node:worker_threads";

if (parentPort === null) {
  const [threads, times] = process.argv.slice(2).map(Number);
  const gate = new Int32Array(new SharedArrayBuffer(8)); // open, updates
  const workers = Array.from(
    { length: threads },
    () => new Worker(import.meta.filename, { workerData: { gate, times } }),
  );
  const heard = () => Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("message", resolve))));
  await heard();
  const done = heard();
  const start = performance.now();
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  await done;
  console.log((performance.now() - start) / 1000);
  if (gate[1] !== threads * times) throw new Error(`updates were lost: ${gate[1]} of ${threads * times}`);
  for (const worker of workers) worker.postMessage("end");
} else {
  const { gate, times } = workerData;
  parentPort.postMessage("ready");
  Atomics.wait(gate, 0, 0);
  const alive = setInterval(() => {}, 1000); // a pending request does not keep a worker's event loop going
  for (let i = 0; i < times; i++) await locks.request("contended", () => void gate[1]++);
  clearInterval(alive);
  parentPort.once("message", () => parentPort.close());
  parentPort.postMessage("done");
}
