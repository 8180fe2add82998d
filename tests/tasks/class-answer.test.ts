/** From logits to an answer: probabilities, order, abstention, digest. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isLockstepError } from "../../src/base/index.ts";
import { probabilities, toAnswer } from "../../src/work/tasks/class-answer.ts";
import { digestBits } from "../../src/work/tasks/index.ts";

const PLAIN = { temperature: 1, threshold: 0 };
const LABELS = ["a", "b", "c", "d"];

describe("probabilities", () => {
  test("are the softmax, add up to 1, keep the order, and do not overflow", () => {
    const logits = fc.array(fc.float({ min: -1000, max: 1000, noNaN: true, noDefaultInfinity: true }), {
      minLength: 2,
      maxLength: 20,
    });
    fc.assert(
      fc.property(logits, fc.double({ min: 0.05, max: 50, noNaN: true }), (values, temperature) => {
        const p = probabilities(Float32Array.from(values), temperature);
        assert.ok(Math.abs(p.reduce((a, b) => a + b, 0) - 1) < 1e-12);
        const highest = Math.max(...values);
        const total = values.reduce((sum, x) => sum + Math.exp((x - highest) / temperature), 0);
        values.forEach((x, i) => {
          assert.ok(Math.abs(p[i]! - Math.exp((x - highest) / temperature) / total) < 1e-13);
        });
        values.forEach((x, i) =>
          values.forEach((y, j) => {
            if (x > y) assert.ok(p[i]! >= p[j]!);
          }),
        );
      }),
      { numRuns: 60 },
    );
  });

  test("a higher temperature makes them more alike", () => {
    const top = (temperature: number) => Math.max(...probabilities([3, 1, 0], temperature));
    assert.ok(top(0.5) > top(1) && top(1) > top(4) && top(1000) < 0.34);
  });
});

describe("toAnswer", () => {
  test("the likeliest labels, falling, ties by class id; as many as asked for", () => {
    const answer = toAnswer(Float32Array.of(1, 3, 1, 3), LABELS, PLAIN, 3);
    assert.deepEqual(
      answer.top.map(({ label }) => label),
      ["b", "d", "a"],
    );
    assert.deepEqual([answer.label, answer.probability], ["b", answer.top[0]!.probability]);
    assert.deepEqual(
      [0, 1, 4, 99].map((topK) => toAnswer(Float32Array.of(1, 3, 1, 3), LABELS, PLAIN, topK).top.length),
      [1, 1, 4, 4],
    );
    assert.equal(toAnswer(new Float32Array(77), Array.from({ length: 77 }, String), PLAIN).top.length, 5);
  });

  test("it abstains below the threshold, and not at it", () => {
    const logits = Float32Array.of(0, 0, 0, 0); // a quarter each, exactly
    assert.deepEqual(
      [0, 0.25, 0.250001, 1].map((threshold) => toAnswer(logits, LABELS, { temperature: 1, threshold }).abstained),
      [false, false, true, true],
    );
  });

  test("calibration changes probabilities, never the label or the digest", () => {
    const logits = Float32Array.of(0.5, -2, 4, 1);
    const [sharp, soft] = [
      toAnswer(logits, LABELS, PLAIN),
      toAnswer(logits, LABELS, { temperature: 3, threshold: 0.9 }),
    ];
    assert.deepEqual([sharp.label, sharp.digest], [soft.label, soft.digest]);
    assert.ok(sharp.probability > soft.probability);
  });

  test("a logit that is not finite gives no answer", () => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      assert.throws(
        () => toAnswer(Float32Array.of(1, bad, 2, 3), LABELS, PLAIN),
        (error: unknown) =>
          isLockstepError(error) &&
          error.code === "NON_FINITE" &&
          error.message.includes('"b"') &&
          error.details["class"] === 1,
      );
    }
  });
});

describe("digest", () => {
  test("SHA-256 of the bits, little end first", () => {
    assert.equal(
      digestBits(Float32Array.of(1, -2)),
      createHash("sha256").update(Buffer.from("0000803f000000c0", "hex")).digest("hex"),
    );
  });

  test("one bit, the sign of a zero, or the order changes it; where the numbers lie in memory does not", () => {
    const inside = new Float32Array([9, 0, 1, 9]).subarray(1, 3);
    assert.equal(digestBits(inside), digestBits(Float32Array.of(0, 1)));
    const digests = [
      [0, 1],
      [-0, 1],
      [1, 0],
      [0, 1 + 2 ** -23],
      [0, 1, 0],
    ].map((values) => digestBits(Float32Array.from(values)));
    assert.equal(new Set(digests).size, digests.length);
  });
});
