/** A training that is interrupted inside its steps, whose native runs are ended, comes to the same weights. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runTraining } from "../../src/work/train/index.ts";
import { trainInterrupted } from "./interrupt.ts";
import { SMALL, smallInput } from "./small.ts";

test("interrupted ten times inside a step, and resumed: the same state to the last bit", async (t) => {
  const model = { hidden_size: 128, num_hidden_layers: 4, num_attention_heads: 4, intermediate_size: 256 };
  const input = await smallInput({ ...SMALL, model }, 300);
  let last = 0;
  const between: number[] = [];
  const whole = await runTraining(input, {
    threads: 1,
    onEvent: ({ kind }) => {
      if (kind !== "step") return;
      const now = performance.now();
      between.push(now - last);
      last = now;
    },
  });
  // About a step after the first, so that there are as many on a fast machine.
  const everyMs = between.sort((a, b) => a - b)[between.length >> 1]!;
  for (const threads of [1, 2]) {
    const {
      model: resumed,
      interruptions,
      stopped,
    } = await trainInterrupted(input, threads, {
      times: 10,
      everyMs,
    });
    assert.equal(resumed.stateDigest, whole.stateDigest, `${threads} threads`);
    assert.ok(interruptions >= 5, `only ${interruptions} interruptions`);
    const sorted = [...stopped].sort((a, b) => a - b);
    const [median, most] = [sorted[sorted.length >> 1]!, sorted.at(-1)!];
    t.diagnostic(
      `${threads} threads: ${interruptions} interruptions; stopped and saved after ms: median ${median.toFixed(0)}, ` +
        `most ${most.toFixed(0)}`,
    );
  }
});
