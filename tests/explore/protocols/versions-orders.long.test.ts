/**
 * Versions in memory, with replies and openings in every order: each answer is that of the version that it was admitted
 * under, and each version is let go once, when nobody holds it. @concurrent
 */
import { test } from "node:test";
import { breaks, holds } from "./exploring.ts";
import * as programs from "./versions.programs.ts";

/**
 * Whoever waits is overtaken in every way; nobody is stopped between two accesses. The scheduler is one thread, so that
 * is what its order comes from.
 */
const everyOrder = { strategy: "bounded", preemptions: 0 } as const;

test("a version is published while requests run under another, a pinned one, or one that is given up", async () => {
  await holds(programs.swap, everyOrder);
  await holds(programs.pinned, everyOrder);
  await holds(programs.cancelled, everyOrder);
  await holds(programs.verified, everyOrder);
});

test("two are published at once, and the server closes", async () => {
  await holds(programs.twoPublishers, { strategy: "random", schedules: 500 });
});

test("whoever uses a version has to pin it", async () => {
  await holds(programs.held, { strategy: "random", schedules: 300 });
  await breaks(programs.unheld, "exception", /run after it was closed/, everyOrder);
});
