/** The figures of `npm run bench:quality`, by hand, and its recipes, which have to be recipes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { entityF1, spearman } from "../../bench/quality/figures.ts";
import { curveDifference, report } from "../../bench/quality/report.ts";
import { TASKS } from "../../bench/quality/tasks.ts";
import { resolveRecipe } from "../../src/work/train/index.ts";

describe("the benchmark of quality", () => {
  test("entities count whole: kind, begin and end", () => {
    const wanted = [["B-person", "I-person", "O"], ["B-group"], ["O", "O"]];
    assert.equal(entityF1(wanted, wanted), 1);
    // one of two is right, and one too many is found: precision 1/3 (I- after O begins one), recall 1/2
    const given = [["B-person", "O", "O"], ["B-group"], ["O", "I-group"]];
    assert.ok(Math.abs(entityF1(wanted, given) - 0.4) < 1e-12);
    assert.equal(entityF1([["O"]], [["O"]]), 0);
  });

  test("Spearman's correlation: ranks, not sizes; equal numbers share a rank", () => {
    assert.ok(Math.abs(spearman([1, 2, 3], [1, 10, 100]) - 1) < 1e-12);
    assert.ok(Math.abs(spearman([1, 2, 3], [9, 8, 7]) + 1) < 1e-12);
    // ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: covariance 4.5, variances 4.5 and 5
    assert.ok(Math.abs(spearman([0, 5, 5, 9], [1, 2, 3, 4]) - 4.5 / Math.sqrt(22.5)) < 1e-12);
  });

  test("curves are compared at every tenth step", () => {
    const own = Array.from({ length: 21 }, (_, step) => 2 + step);
    const off = (step: number) => own.map((loss, at) => (at === step ? 2 * loss : loss));
    assert.equal(curveDifference(off(9), own), 0);
    assert.equal(curveDifference(off(10), own), 1);
    assert.throws(() => curveDifference(own, own.slice(1)), /21 and 20 steps/);
  });

  test("a bar that is missed is said", () => {
    const both = (ours: number, twin: number) => ({
      ours: { losses: [1], seconds: 1, figure: ours },
      twin: { losses: [1.02], seconds: 1, figure: twin },
    });
    const rows = (own: number, peer: number) =>
      report([
        { name: "wnut17", task: TASKS["wnut17"]!, curve: both(0, 0), tests: [both(own, peer), both(own, peer)] },
      ]).split("\n");
    assert.match(rows(0.45, 0.455)[2]!, /\| 45\.00 \(45\.00 to 45\.00\) \| 45\.50 .* \| −0\.50 \| .* \| met \|$/);
    assert.match(rows(0.45, 0.47)[2]!, /MISSED \|$/);
    assert.match(rows(0.45, 0.45)[3]!, /\| 2\.0 % \| .* \| MISSED \|$/);
  });

  test("each task's recipe is one", () => {
    for (const { recipe } of Object.values(TASKS)) assert.equal(resolveRecipe(recipe).phases.length, 1);
  });
});
