/** Messages between explored threads, under every interleaving. @concurrent */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explore, formatReport, requireExplored } from "../../src/threads/explore/index.ts";
import * as programs from "./messages.programs.ts";

test("messages order memory, come in order, and wake the event loop that waits for them", async () => {
  requireExplored(await explore(programs.handedOver));
  const polled = requireExplored(await explore(programs.polled));
  assert.equal(polled.stages[0]!.ended, "complete");
  assert.ok(polled.stages[0]!.schedules >= 4, formatReport(polled));
});

test("a write after the message races; a reply that never comes is a deadlock", async () => {
  const race = await explore(programs.keptWriting);
  assert.equal(race.failure?.kind, "race", formatReport(race));
  assert.match(race.failure.trace, /sends a message on channel 0/);
  const report = await explore(programs.unanswered);
  assert.equal(report.failure?.kind, "deadlock", formatReport(report));
});
