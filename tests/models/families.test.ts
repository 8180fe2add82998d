/** What holds for every family, over every head that it has; any-family.ts has the total table. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seedFrom } from "../../src/base/index.ts";
import {
  batchInputs,
  formatModelConfig,
  headKindOf,
  initializeParameters,
  matchWeights,
  modelGraph,
  modelParameters,
  parameterNames,
  parseModelConfig,
  type Head,
} from "../../src/language/models/index.ts";
import { eachFamily, FAMILIES, HEADS, ROWS, runOnce } from "./any-family.ts";

function near(actual: readonly number[], expected: readonly number[], what: string): void {
  assert.equal(actual.length, expected.length, what);
  const worst = Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!)));
  assert.ok(worst < 1e-10, `${what}: ${worst}`);
}

eachFamily((name, config, own) => {
  const { sees, heads } = FAMILIES[name];
  describe(name, () => {
    test("has these heads and no others", () => {
      for (const head of HEADS)
        if (!heads.includes(head.kind))
          assert.throws(() => modelParameters(config, head), { code: "MODEL_INVALID" }, head.kind);
      for (const head of own) assert.ok(modelParameters(config, head).length > 0, head.kind);
    });

    test("a config that is written is read back, under a class that has the head", () => {
      for (const head of own) {
        const json = JSON.parse(formatModelConfig(config, head, ["a", "b", "c"])) as { architectures: string[] };
        const parsed = parseModelConfig(json);
        assert.deepEqual(parsed.config, config);
        const kind = headKindOf(config, json.architectures[0]!);
        assert.ok(kind === head.kind || (head.kind === "sequence" && kind === "encoder"), `${head.kind} as ${kind}`);
      }
    });

    test("the list of parameters is that of the graph, and the inputs of a batch are its inputs", () => {
      for (const head of own) {
        const declared = (op: "parameter" | "input"): string[] =>
          modelGraph(config, head, { dropout: true })
            .nodes.flatMap((node) => (node.op === op ? [node.attributes.name] : []))
            .sort();
        assert.deepEqual(
          modelParameters(config, head)
            .map((info) => info.name)
            .sort(),
          declared("parameter"),
        );
        const inputs = batchInputs([{ ids: Int32Array.of(3, 4) }], config, head, {
          tokens: 4,
          padId: 1,
          real: "float32",
        });
        const added = head.kind.endsWith("-lm") ? ["positions"] : [];
        const known = new Set([...Object.keys(inputs), ...added]);
        for (const input of declared("input")) assert.ok(known.has(input), `${head.kind}: ${input}`);
      }
    });

    test("every name that published folders have for a parameter is understood", () => {
      const parameters = modelParameters(config, { kind: "encoder", pooling: "mean" });
      const weights = initializeParameters(parameters, 0.3, seedFrom(1));
      const most = Math.max(...parameters.map((info) => parameterNames(config, info.name).length));
      for (let alias = 0; alias < most; alias++) {
        const tensors = new Map(
          [...weights].map(([parameter, weight]) => {
            const names = parameterNames(config, parameter);
            return [names[Math.min(alias, names.length - 1)]!, weight] as const;
          }),
        );
        assert.deepEqual(matchWeights(config, parameters, tensors).missing, [], `alias ${alias}`);
      }
    });

    test("a row's answer depends neither on the padding nor on its mates", async () => {
      for (const head of own) {
        const together = await runOnce(config, head, ROWS, 9);
        for (const [b, row] of ROWS.entries()) {
          const alone = await runOnce(config, head, [row], row.length);
          near(together(b), alone(0), `${head.kind}, row ${b}`);
        }
      }
    });

    test(`a token sees ${sees === "all" ? "its whole row" : "what is before it, and itself"}`, async () => {
      const head: Head = { kind: "token", labels: 4 };
      const [row] = ROWS as [number[]];
      const before = (await runOnce(config, head, [row], row.length))(0);
      const changed = (await runOnce(config, head, [[...row.slice(0, -1), 30]], row.length))(0);
      const differs = row.map((_, t) => [0, 1, 2, 3].some((label) => before[4 * t + label] !== changed[4 * t + label]));
      assert.deepEqual(
        differs,
        row.map((_, t) => sees === "all" || t === row.length - 1),
      );
    });
  });
});
