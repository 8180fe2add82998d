/**
 * Threads terminated at random instants, hundreds of them: nobody waits for ever, nothing is held by nobody, and what a
 * death has torn is known.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Supervisor, type Supervised } from "../../src/threads/sync/index.ts";
import {
  ASKING,
  INSIDE,
  OUTSIDE,
  randomOf,
  scenarios,
  type Place,
  type Scenario,
  type ScenarioName,
} from "./terminate-scenarios.ts";
import type { TerminateData } from "./terminate-thread.ts";

/** In each of the scenarios: 240 in all; more, where not every kind of death has been among them. */
const DEATHS = Number(process.env["LOCKSTEP_DEATHS"] ?? 60);
const CREW = 5;
/** Not a measure of speed: how long nothing at all may happen before it counts as "for ever". */
const FOR_EVER_MS = 30_000;

interface Member {
  readonly worker: Worker;
  readonly life: Int32Array;
  readonly exited: Promise<unknown>;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const started = performance.now();
  while (!condition()) {
    assert.ok(performance.now() - started < FOR_EVER_MS, `${what} did not happen`);
    await delay(1);
  }
}

async function runScenario(name: ScenarioName): Promise<void> {
  const scenario = scenarios[name] as Scenario<unknown>;
  const { shared, objects } = scenario.make();
  using supervisor = new Supervisor().protect(...objects);
  const heldBy = new Map<number, readonly Supervised[]>();
  supervisor.onDeath(({ threadId, held }) => heldBy.set(threadId, held));
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const random = randomOf(1 << 20);
  const complaints: string[] = [];
  let started = 0;

  const start = (): Member => {
    const port = supervisor.port();
    const life = new Int32Array(new SharedArrayBuffer(8));
    const workerData: TerminateData = { scenario: name, index: started++, shared, supervisor: port, stop, life };
    const worker = new Worker(new URL("./terminate-thread.ts", import.meta.url), { workerData, transferList: [port] });
    worker.on("message", (complaint: string) => complaints.push(complaint));
    return { worker, life, exited: once(worker, "exit") };
  };
  const operations = (member: Member): number => Atomics.load(member.life, 1);
  /** Everybody gets on: who waits is served, so no wake-up was lost and no lock is held by nobody. */
  const allGetOn = async (): Promise<void> => {
    const before = crew.map(operations);
    await until(
      `progress of everybody after ${deaths} deaths`,
      () => complaints.length > 0 || crew.every((member, i) => operations(member) > before[i]!),
    );
    assert.deepEqual(complaints, []);
  };

  const places: Record<Place, number> = { [OUTSIDE]: 0, [ASKING]: 0, [INSIDE]: 0 };
  const crew = Array.from({ length: CREW }, start);
  let deaths = 0;
  let total = 0;
  await allGetOn();
  const tried = (): boolean => places[ASKING] > 0 && places[INSIDE] > 0;
  while (deaths < DEATHS || (!tried() && deaths < 10 * DEATHS)) {
    const place = random(CREW);
    const victim = crew[place]!;
    const id = victim.worker.threadId;
    const fresh = start(); // it gets ready while the others work
    if (random(2) === 0) await delay(random(3));
    for (let i = random(20_000); i > 0; i--) Atomics.load(stop, 0);
    await victim.worker.terminate();
    crew[place] = fresh;
    await until("news of a death", () => heldBy.has(id));
    deaths++;
    total += operations(victim);
    const where = Atomics.load(victim.life, 0) as Place;
    places[where]++;
    scenario.judge(where, objects, heldBy.get(id)!);
    await allGetOn();
  }
  Atomics.store(stop, 0, 1);
  await until("the end of everybody", () => crew.every((member) => member.worker.threadId < 0));
  await Promise.all(crew.map((member) => member.exited));
  total += crew.reduce((sum, member) => sum + operations(member), 0);
  assert.deepEqual(complaints, []);
  scenario.settle(shared, objects);
  console.log(
    `${name}: ${deaths} threads terminated, ${places[OUTSIDE]} outside, ${places[ASKING]} asking or waiting, ` +
      `${places[INSIDE]} inside; ${total} operations`,
  );
  assert.ok(tried(), "not every kind of death was tried");
}

for (const name of Object.keys(scenarios) as ScenarioName[])
  test(`threads terminated at random instants: ${name}`, () => runScenario(name));
