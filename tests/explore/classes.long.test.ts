/**
 * The reduced search against the plain enumeration of all interleavings: on random small programs, the same classes,
 * each once, and the same outcomes. @concurrent
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OUTCOME } from "../../src/threads/explore/control.ts";
import { HappensBefore } from "../../src/threads/explore/happens-before.ts";
import { Runner, type Plan, type Run } from "../../src/threads/explore/runner.ts";
import { BoundedSearch } from "../../src/threads/explore/search-bounded.ts";
import { ClassSearch } from "../../src/threads/explore/search-classes.ts";
import { good } from "./mutexes.programs.ts";
import { scripted, tasks, type ScriptState, type Step, type TaskState } from "./scripts.programs.ts";

/** What equivalent schedules have in common: who comes after what, thread by thread, counted within each thread. */
function classOf(run: Run, threads: number): string {
  const order = new HappensBefore(threads);
  const index: number[] = [];
  const counts = new Array<number>(threads).fill(0);
  const lines: string[][] = Array.from({ length: threads }, () => []);
  for (const event of run.trace.events()) {
    order.push(event);
    index.push(counts[event.thread]!++);
    const clock = Array.from(order.clock(order.length - 1), (step) => (step < 0 ? -1 : index[step]));
    lines[event.thread]!.push(`${event.kind}@${event.buffer}:${event.offset}[${clock.join(" ")}]`);
  }
  return lines.map((line) => line.join(";")).join("|");
}

function endOf(runner: Runner, run: Run): string {
  const results = [...run.reports].sort((a, b) => a.thread - b.thread).map(({ thread, result }) => [thread, result]);
  const { words } = runner.stateNow() as { words: Int32Array };
  return JSON.stringify([run.outcome, run.outcome === OUTCOME.ENDED ? results : null, Array.from(words)]);
}

function all(runner: Runner, search: { plan(): Plan | null; learn(run: Run): void }, limit: number) {
  const classes = new Map<string, number>();
  const ends = new Set<string>();
  let runs = 0;
  for (let plan = search.plan(); plan !== null; plan = search.plan()) {
    const run = runner.run(plan);
    if (++runs > limit) return null;
    search.learn(run);
    if (run.outcome === OUTCOME.REDUNDANT) continue;
    const name = classOf(run, runner.threads);
    classes.set(name, (classes.get(name) ?? 0) + 1);
    ends.add(endOf(runner, run));
  }
  return { classes, ends, runs };
}

const limits = { maxSteps: 200, kills: 0 };

test("a mutex of two threads has 412 interleavings; the reduced search runs each of their classes once", async () => {
  const runner = await Runner.start(good.m21 as never, "good.m21", limits);
  try {
    const plain = all(runner, new BoundedSearch({ preemptions: Infinity, kills: 0 }), 10_000)!;
    const reduced = all(runner, new ClassSearch(2), 10_000)!;
    assert.equal(plain.runs, 412);
    assert.deepEqual([...reduced.classes.keys()].sort(), [...plain.classes.keys()].sort());
    assert.ok([...reduced.classes.values()].every((count) => count === 1));
  } finally {
    await runner.close();
  }
});

const word = fc.integer({ min: 0, max: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ op: fc.constantFrom("load", "add", "notify", "notifyAll", "read", "write"), at: word }),
  fc.record({ op: fc.constant("store"), at: word, value: fc.integer({ min: 0, max: 2 }) }),
  fc.record({ op: fc.constantFrom("cas", "wait", "waitTimed"), at: word, value: fc.integer({ min: 0, max: 1 }) }),
);

for (const [threads, steps, runs] of [
  [2, 3, 20],
  [3, 2, 10],
] as const) {
  test(
    `random programs of ${threads} threads: the same classes and the same ends as the enumeration of all ` +
      "interleavings",
    async () => {
      const script = fc.array(fc.array(step, { minLength: 1, maxLength: steps }), {
        minLength: threads,
        maxLength: threads,
      });
      let compared = 0;
      await fc.assert(
        fc.asyncProperty(script, async (drawn) => {
          const setup = (): ScriptState => ({ words: new Int32Array(new SharedArrayBuffer(8)), script: drawn });
          const runner = await Runner.start({ ...scripted[threads]!, setup } as never, `scripted.${threads}`, limits);
          try {
            const plain = all(runner, new BoundedSearch({ preemptions: Infinity, kills: 0 }), 3000);
            if (plain === null) return;
            compared++;
            const reduced = all(runner, new ClassSearch(threads), 10_000)!;
            assert.deepEqual([...reduced.ends].sort(), [...plain.ends].sort());
            assert.deepEqual([...reduced.classes.keys()].sort(), [...plain.classes.keys()].sort());
          } finally {
            await runner.close();
          }
        }),
        { numRuns: Number(process.env["LOCKSTEP_EXPLORE_RUNS"] ?? runs), seed: 11 },
      );
      assert.ok(compared > runs / 2);
    },
  );
}

test("random asynchronous tasks on two threads: the same ends as all interleavings enumerated", async () => {
  const asynchronous: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ op: fc.constantFrom("load", "add", "notify", "notifyAll"), at: word }),
    fc.record({
      op: fc.constantFrom("cas", "waitAsync", "waitAsyncTimed", "waitAsync"),
      at: word,
      value: fc.integer({ min: 0, max: 1 }),
    }),
  );
  const script = fc.array(
    fc.array(fc.array(asynchronous, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 2 }),
    { minLength: 2, maxLength: 2 },
  );
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(script, async (drawn) => {
      const setup = (): TaskState => ({ words: new Int32Array(new SharedArrayBuffer(8)), tasks: drawn });
      const runner = await Runner.start({ ...tasks, setup } as never, "tasks", limits);
      try {
        const plain = all(runner, new BoundedSearch({ preemptions: Infinity, kills: 0 }), 3000);
        if (plain === null) return;
        compared++;
        const reduced = all(runner, new ClassSearch(2), 10_000)!;
        assert.deepEqual([...reduced.ends].sort(), [...plain.ends].sort());
      } finally {
        await runner.close();
      }
    }),
    { numRuns: Number(process.env["LOCKSTEP_EXPLORE_RUNS"] ?? 12), seed: 5 },
  );
  assert.ok(compared > 0);
});
