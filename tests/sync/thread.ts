/** The other side of the stress tests: what each worker thread does, by scenario. */
import { parentPort, workerData, threadId } from "node:worker_threads";
import {
  Barrier,
  Counter,
  EpochCell,
  Latch,
  Mutex,
  type BarrierHandle,
  type CounterHandle,
  type EpochHandle,
  type LatchHandle,
  type MutexHandle,
} from "../../src/threads/sync/index.ts";

export type Scenario =
  | {
      readonly kind: "barrier";
      readonly barrier: BarrierHandle;
      readonly rounds: number;
      readonly rank: number;
      readonly cells: Int32Array;
    }
  | { readonly kind: "barrier-once"; readonly barrier: BarrierHandle; readonly timeoutMs?: number }
  | { readonly kind: "mutex"; readonly mutex: MutexHandle; readonly rounds: number; readonly cells: Int32Array }
  | { readonly kind: "hold"; readonly mutex: MutexHandle; readonly latch: LatchHandle }
  | { readonly kind: "lock-once"; readonly mutex: MutexHandle }
  | { readonly kind: "latch"; readonly latch: LatchHandle; readonly go: LatchHandle }
  | { readonly kind: "counter"; readonly counter: CounterHandle; readonly rounds: number }
  | {
      readonly kind: "epoch-reader";
      readonly cell: EpochHandle;
      readonly payload: Int32Array;
      readonly width: number;
      readonly last: number;
    }
  | {
      readonly kind: "epoch-writer";
      readonly cell: EpochHandle;
      readonly payload: Int32Array;
      readonly width: number;
      readonly last: number;
    };

function perform(scenario: Scenario): unknown {
  switch (scenario.kind) {
    case "barrier": {
      const barrier = Barrier.attach(scenario.barrier);
      const { cells, rank, rounds } = scenario;
      let serial = 0;
      for (let round = 1; round <= rounds; round++) {
        cells[rank] = round; // a plain write: the barrier alone makes it visible
        if (barrier.wait()) serial++;
        for (const cell of cells) if (cell !== round) throw new Error(`round ${round}: saw ${cell}`);
        barrier.wait();
      }
      return serial;
    }
    case "barrier-once":
      return Barrier.attach(scenario.barrier).wait(
        scenario.timeoutMs === undefined ? {} : { timeoutMs: scenario.timeoutMs },
      );
    case "mutex": {
      const mutex = Mutex.attach(scenario.mutex);
      const { cells } = scenario;
      for (let i = 0; i < scenario.rounds; i++) {
        using _guard = mutex.lock();
        cells[0] = cells[0]! + 1; // plain accesses: lost updates would show
        cells[1] = cells[1]! + 1;
        if (cells[0] !== cells[1]) throw new Error("two threads were inside");
      }
      return mutex.owner !== threadId;
    }
    case "hold":
      Mutex.attach(scenario.mutex).lock();
      Latch.attach(scenario.latch).countDown();
      Latch.create(1).wait();
      return null;
    case "lock-once": {
      using _guard = Mutex.attach(scenario.mutex).lock();
      return true;
    }
    case "latch":
      Latch.attach(scenario.go).wait();
      Latch.attach(scenario.latch).countDown();
      return null;
    case "counter": {
      const counter = Counter.attach(scenario.counter);
      for (let i = 0; i < scenario.rounds; i++) counter.add(i % 2 === 0 ? 3 : -2);
      return null;
    }
    case "epoch-reader": {
      const cell = EpochCell.attach(scenario.cell);
      let seen = 0;
      for (let newest = 0; newest < scenario.last;) {
        using pin = cell.pin();
        if (pin.version < newest) throw new Error(`went back from ${newest} to ${pin.version}`);
        newest = pin.version;
        const from = pin.slot * scenario.width;
        for (let i = 0; i < scenario.width; i++) {
          if (scenario.payload[from + i] !== pin.version)
            throw new Error(`torn: version ${pin.version}, word ${scenario.payload[from + i]}`);
        }
        seen++;
      }
      return seen;
    }
    case "epoch-writer": {
      const cell = EpochCell.attach(scenario.cell);
      for (let version = 2; version <= scenario.last; version++) {
        const reservation = cell.reserve();
        const from = reservation.slot * scenario.width;
        for (let i = 0; i < scenario.width; i++) scenario.payload[from + i] = version;
        reservation.publish(version);
      }
      return null;
    }
  }
}

const scenario = workerData as Scenario;
try {
  parentPort!.postMessage({ value: perform(scenario) });
} catch (thrown) {
  parentPort!.postMessage({ code: (thrown as { code?: string }).code ?? "?", message: (thrown as Error).message });
}
