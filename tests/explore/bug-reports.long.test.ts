/**
 * What is said about a bug is what a reader needs to find it. That every seeded one is found: bugs.long.test.ts.
 * @concurrent
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { explore, type ExploreOptions, type Failure } from "../../src/threads/explore/index.ts";
import { abandonedWait } from "./bugs/abandoned.ts";
import { lostOnTimeout } from "./bugs/gates.ts";
import { deadOwner, lockInversion } from "./bugs/locks.ts";
import { plainPointer } from "./bugs/plain.ts";
import { notifyBeforeStore } from "./bugs/waiting.ts";

// Most of the time goes into starting threads, which leaves a processor free.
const inPairs = { concurrency: 2 };

async function failureOf(bug: Parameters<typeof explore>[0], options?: ExploreOptions): Promise<Failure> {
  const { failure } = await explore(bug, options);
  assert.ok(failure !== null);
  return failure;
}

/** The line of the bugs' source that a site (`waiting.ts:12 awaitFlag`) points at. */
function codeAt(site: string | undefined): string {
  const [, file, line] = /^(\S+\.ts):(\d+)/.exec(site ?? "") ?? [];
  assert.ok(file !== undefined, site);
  return readFileSync(new URL(`./bugs/${file}`, import.meta.url), "utf8").split("\n")[Number(line) - 1]!;
}

/** The steps of a trace as (thread, what), and where each stands. */
function stepsOf({ trace }: Failure): { step: string; site: string }[] {
  return trace.split("\n").flatMap((line) => {
    const match = /^ *\d+ {2}(thread \d {2}.*?)(?: {2,}(\S+\.ts:\d+.*))?$/.exec(line);
    return match === null ? [] : [{ step: match[1]!.replace("  ", ": "), site: match[2] ?? "" }];
  });
}

describe("what is said about a bug", inPairs, () => {
  test("a lost wake-up: who sleeps, on what, and each step with its line", async () => {
    const failure = await failureOf(notifyBeforeStore.bug);
    assert.match(failure.message, /^thread 0 sleeps while words\[0\] is 0, but it is 1 and nobody is left to wake it/);
    const steps = stepsOf(failure);
    const store = steps.find(({ step }) => step === "thread 1: store words[0]: 0 → 1");
    assert.ok(codeAt(store?.site).includes("Atomics.store(words, FLAG, 1);"), store?.site);
    const sleep = steps.findLast(({ step }) => step === "thread 0: wait words[0] while 0: sleeps");
    assert.ok(
      codeAt(sleep?.site).includes("Atomics.wait(words, FLAG, 0)") && sleep?.site.endsWith("awaitFlag"),
      sleep?.site,
    );
    const order = steps.map(({ step }) => step);
    assert.ok(
      order.findIndex((step) => step.startsWith("thread 1: notify")) < order.indexOf("thread 1: store words[0]: 0 → 1"),
    );
  });

  test("a race: both accesses are named and marked", async () => {
    const failure = await failureOf(plainPointer.bug);
    assert.equal(
      failure.message,
      `data race: "store words[0]: 0 → 1" by thread 0 and "plain read of words[0]" by thread 1 are not ordered ` +
        "by anything",
    );
    const marked = failure.trace
      .split("\n")
      .flatMap((line, index, lines) =>
        line.includes("^^^^") ? stepsOf({ ...failure, trace: lines[index - 1]! }) : [],
      );
    assert.deepEqual(
      marked.map(({ step }) => step),
      ["thread 0: store words[0]: 0 → 1", "thread 1: plain read of words[0]"],
    );
    assert.ok(codeAt(marked[0]!.site).includes("Atomics.store(words, POINTER, TARGET)"));
    assert.ok(codeAt(marked[1]!.site).includes("words[POINTER] === 0"));
  });

  test("a deadlock: who sleeps on what, by the names that the state gives", async () => {
    const failure = await failureOf(lockInversion.bug);
    assert.match(failure.message, /^no thread can go on: asleep are /);
    for (const part of ["thread 0 on right.words[0]", "thread 1 on left.words[0]"])
      assert.ok(failure.message.includes(part), failure.message);
  });

  test("a death: where it was, and what the supervisor then did", async () => {
    const failure = await failureOf(deadOwner.bug, { strategy: "bounded" });
    const steps = stepsOf(failure);
    const death = steps.findIndex(({ step }) => step.endsWith("DIES here"));
    assert.match(steps[death - 1]!.step, /compareExchange words\[0\]: 0 → -1$/);
    assert.ok(
      steps
        .slice(death)
        .some(
          ({ step, site }) =>
            step.startsWith("thread 2: compareExchange words[0]: is -1, not 1") && site.endsWith("supervise"),
        ),
    );
  });

  test("time limits and timers are steps; an asynchronous wait that was left takes the wake-up", async () => {
    assert.ok(
      stepsOf(await failureOf(lostOnTimeout.bug)).some(
        ({ step }) => step === "thread 0: its time limit passes, asleep on words[1]",
      ),
    );
    const steps = stepsOf(await failureOf(abandonedWait.bug)).map(({ step }) => step);
    const timer = steps.indexOf("thread 0: its timer fires");
    assert.ok(timer > 0 && steps.slice(timer).includes("thread 2: notify words[1]: wakes thread 0"), steps.join("\n"));
  });

  test("the schedule it was reported with shows the same again, alone", async () => {
    const failure = await failureOf(lockInversion.bug);
    const again = await explore(lockInversion.bug, { replay: failure.schedule });
    assert.deepEqual(again.failure, failure);
    assert.deepEqual(
      again.stages.map(({ coverage, schedules }) => [coverage.kind, schedules]),
      [["replay", 1]],
    );
    assert.equal((await explore(lockInversion.twin, { replay: failure.schedule })).failure?.kind, "nondeterminism");
  });
});
