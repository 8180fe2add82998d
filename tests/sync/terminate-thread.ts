/** A thread of terminate.long.test.ts: joins the supervisor, then works until it is stopped or terminated. */
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { joinSupervisor } from "../../src/threads/sync/index.ts";
import { randomOf, scenarios, type Scenario, type ScenarioName } from "./terminate-scenarios.ts";

export interface TerminateData {
  readonly scenario: ScenarioName;
  readonly index: number;
  readonly shared: unknown;
  readonly supervisor: MessagePort;
  /** Shared by all: 0 tells everybody to stop. */
  readonly stop: Int32Array;
  /** Of this thread: 0 its place, 1 how many operations it has done. */
  readonly life: Int32Array;
}

const { scenario, index, shared, supervisor, stop, life } = workerData as TerminateData;
joinSupervisor(supervisor);
const { operation } = scenarios[scenario] as Scenario<unknown>;
const perform = operation(shared, { index, enter: (place) => Atomics.store(life, 0, place), random: randomOf(index) });
try {
  while (Atomics.load(stop, 0) === 0) {
    await perform();
    Atomics.add(life, 1, 1);
  }
} catch (thrown) {
  parentPort!.postMessage((thrown as Error).stack);
}
parentPort!.close();
