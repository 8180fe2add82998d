/**
 * kill -9 at every named step of publishing and of writing a checkpoint: the old state or the new one, nothing left
 * behind. @concurrent
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KillTest, type Scenario } from "./support/kill.ts";

for (const scenario of ["publish", "checkpoint"] satisfies Scenario[]) {
  test(`killed at every step of: ${scenario}`, { timeout: 120_000 }, async (t) => {
    await using kills = await KillTest.prepare();
    const steps = await kills.steps(scenario);
    assert.ok(steps.length >= 8, steps.join("\n"));
    const states: string[] = [];
    for (let first = 0; first < steps.length; first += 4) {
      const group = steps.slice(first, first + 4).map((name, i) => ({ name, step: first + i }));
      for (const { name, result } of await Promise.all(
        group.map(async ({ name, step }) => ({ name, result: await kills.killAt(scenario, step) })),
      )) {
        assert.equal(result.signal, "SIGKILL", name);
        assert.equal(result.leftovers, 0, `left behind after a kill before: ${name}`);
        states.push(result.state);
      }
    }
    const distinct = [...new Set(states)];
    t.diagnostic(`${steps.length} steps: ${steps.join("; ")}`);
    // Publishing with an alias is two steps that are each atomic: the version, then the alias.
    assert.equal(distinct.length, scenario === "publish" ? 3 : 2, distinct.join("\n"));
    assert.deepEqual(
      states,
      [...states].sort((a, b) => distinct.indexOf(a) - distinct.indexOf(b)),
      "a state came back",
    );
  });
}
