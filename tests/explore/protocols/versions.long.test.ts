/** The same without leaving any order out, and with preemptions. @concurrent */
import { test } from "node:test";
import { atRandom, holds } from "./exploring.ts";
import * as programs from "./versions.programs.ts";

test("a version is used, and replaced, in every order", async () => {
  await holds(programs.held, { strategy: "bounded", preemptions: 0 });
});

test("with preemptions too, at random", async () => {
  for (const program of [programs.swap, programs.pinned, programs.cancelled, programs.verified, programs.twoPublishers])
    await holds(program, atRandom(500, 3));
});
