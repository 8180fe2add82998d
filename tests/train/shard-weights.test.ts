/**
 * Weights of shards that follow the losses: alike at the start, and within bounds. Trainings with every policy are in
 * shard-weights.long.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SHARD_WEIGHT_POLICIES } from "../../src/work/train/shard-weights.ts";

test("adaptive: alike at first, more for shards of larger losses, never under a tenth of an equal share", () => {
  const { weight, learn, initialState } = SHARD_WEIGHT_POLICIES.adaptive;
  const S = 8;
  const shares = initialState(S);
  const weights = () => Array.from(shares, (_, shard) => weight({ shard, count: 3, tokens: 9, examples: 3 }, shares));
  assert.deepEqual(new Set(weights()), new Set([65_536 / S]));
  for (let step = 0; step < 200; step++) learn(shares, Float64Array.of(2, 1, 1, 1, NaN, 1, 1, 0.5));
  assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-12);
  assert.ok(shares[0]! > shares[4]! && shares[4]! > shares[1]! && shares[1]! > shares[7]!, shares.join(" "));
  for (let step = 0; step < 2000; step++) learn(shares, Float64Array.of(700, 0, 0, 0, 0, 0, 0, 0));
  assert.ok(weights().every((one) => Number.isInteger(one) && one >= Math.floor((0.1 * 65_536) / S)));
  learn(shares, new Float64Array(S).fill(NaN));
  for (let step = 0; step < 400; step++) learn(shares, new Float64Array(S).fill(3));
  assert.ok(
    shares.every((share) => Math.abs(share - 1 / S) < 1e-9),
    "what was learned fades",
  );
});

test("adaptive: within its bounds whatever the losses, from an equal share on", () => {
  const { weight, learn, initialState } = SHARD_WEIGHT_POLICIES.adaptive;
  const loss = fc.oneof(fc.double({ min: 0, max: 50 }), fc.constant(NaN), fc.double({ min: -1e300, max: 1e300 }));
  const trainings = fc
    .integer({ min: 0, max: 6 })
    .chain((power) =>
      fc.array(fc.array(loss, { minLength: 2 ** power, maxLength: 2 ** power }), { minLength: 1, maxLength: 40 }),
    );
  fc.assert(
    fc.property(trainings, (steps) => {
      const S = steps[0]!.length;
      const shares = initialState(S);
      const facts = { count: 1, tokens: 1, examples: 1 };
      const whole = () => Array.from(shares, (_, shard) => weight({ ...facts, shard }, shares));
      assert.deepEqual(new Set(whole()), new Set([Math.round(65_536 / S)]));
      for (const losses of steps) {
        learn(shares, Float64Array.from(losses));
        // c / S at least, so the others leave 1 − c + c / S at most
        for (const share of shares) {
          assert.ok(share >= (1 - 1e-12) * (0.1 / S) && share <= (1 + 1e-12) * (0.9 + 0.1 / S), String(shares));
        }
        assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-12);
        for (const one of whole()) assert.ok(Number.isInteger(one) && one >= Math.floor(6553.6 / S) && one >= 1);
      }
    }),
  );
});
