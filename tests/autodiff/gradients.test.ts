import assert from "node:assert/strict";
import { test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { differentiate } from "../../src/numeric/autodiff/index.ts";
import { RULES, type RuleTable } from "../../src/numeric/autodiff/rules.ts";
import { GraphBuilder, type OpName } from "../../src/numeric/graph/index.ts";
import { CASES } from "./cases.ts";
import { gradientError } from "./check.ts";

const TOLERANCE = 1e-8;

for (const op of Object.keys(CASES) as OpName[]) {
  const cases = CASES[op];
  if ("notChecked" in cases) continue;
  test(`the rule of ${op} agrees with central differences`, async () => {
    for (const each of cases) {
      for (const seed of [1, 2]) {
        const error = await gradientError(each, RULES, seed);
        assert.ok(error < TOLERANCE, `${each.name}: off by ${error}`);
      }
    }
  });
  test(`control: a rule of ${op} that is wrong by a thousandth is caught, operand by operand`, async () => {
    const operands = OPERANDS[op] ?? 1;
    for (let operand = 0; operand < operands; operand++) {
      const errors: number[] = [];
      for (const each of cases.slice(0, 4)) errors.push(await gradientError(each, spoiled(op, operand), 1));
      assert.ok(Math.max(...errors) > 1e-5, `operand ${operand} of a wrong ${op}: ${errors.join(", ")}`);
    }
  });
}

/** Real operands of operators that have several. */
const OPERANDS: Partial<Record<OpName, number>> = {
  add: 2,
  sub: 2,
  mul: 2,
  div: 2,
  matmul: 2,
  layerNorm: 3,
  rmsNorm: 2,
  concat: 3,
};

/** The rules, except that one cotangent of one operator is scaled a little. */
function spoiled(op: OpName, wrong: number): RuleTable {
  type AnyRule = (site: { readonly b: GraphBuilder }) => readonly ((() => number) | null)[];
  const rule = RULES[op] as AnyRule;
  const wrongRule: AnyRule = (site) =>
    rule(site).map((cotangent, operand) =>
      cotangent === null || operand !== wrong
        ? cotangent
        : op === "embedding"
          ? () => site.b.embeddingGrad(...tampered(site))
          : () => site.b.mul(cotangent(), site.b.constant(1.001)),
    );
  return { ...RULES, [op]: wrongRule };
}

/** A table's gradient may not be computed with, so the wrong rule for it scales the rows before they are added. */
function tampered(site: { readonly b: GraphBuilder }): [number, number, { rows: number }] {
  const { b, dy, x } = site as unknown as { b: GraphBuilder; dy: () => number; x: readonly [number, number] };
  return [b.mul(dy(), b.constant(1.001)), x[1], { rows: b.shapeOf(x[0])[0] as number }];
}

test("what is a gradient already cannot be differentiated again", () => {
  const gelu = new GraphBuilder();
  const x = gelu.parameter("x", [3]);
  gelu.output("loss", gelu.reduceSum(gelu.geluGrad(x, x), [0]));
  assert.throws(
    () => differentiate(gelu.build(), { loss: "loss" }),
    (error) => isLockstepError(error) && error.code === "GRAPH_INVALID" && error.details["op"] === "geluGrad",
  );
  const relu = new GraphBuilder();
  const z = relu.parameter("z", [3]);
  relu.output("loss", relu.reduceSum(relu.reluGrad(z, z), [0]));
  assert.throws(() => differentiate(relu.build(), { loss: "loss" }), /reluGrad is part of a gradient/);
  const entropy = new GraphBuilder();
  const logits = entropy.parameter("logits", [3, 2]);
  const { loss, logProbs } = entropy.crossEntropy(logits, entropy.input("labels", "int", [3]));
  const again = entropy.crossEntropyGrad(logProbs, 1, loss);
  entropy.output("loss", entropy.reduceSum(again, [0, 1]));
  assert.throws(() => differentiate(entropy.build(), { loss: "loss" }), /crossEntropyGrad is part of a gradient/);
});

test("the tables of a rotation have no gradient, and say so where one is asked for", () => {
  const b = new GraphBuilder();
  const cos = b.parameter("cos", [3, 1]);
  const turned = b.rotary(b.parameter("x", [1, 1, 2, 2]), b.input("positions", "int", [1, 2]), cos, cos);
  b.output("loss", b.reduceSum(turned, [0, 1, 2, 3]));
  assert.throws(() => differentiate(b.build(), { loss: "loss" }), /the tables of rotary have no gradient/);
  assert.deepEqual([...differentiate(b.build(), { loss: "loss", frozen: ["cos"] }).outputs.keys()], ["loss", "grad.x"]);
});
