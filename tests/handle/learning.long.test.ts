/**
 * Learning from feedback: one order, nothing lost, the same bits when it is done again in that order, and a lineage
 * that says so. @concurrent
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { attachModel, loadModel, type LearnOptions } from "../../src/edge/api/index.ts";
import { Model } from "../../src/work/model/index.ts";
import { openStore, versionName } from "../../src/work/store/index.ts";
import type { Lineage } from "../../src/work/train/index.ts";
import { fitHead } from "../../src/work/train/head.ts";
import { tinyFiles as meanFiles } from "../infer/tiny.ts";
import { code, openTiny, TEXTS, tiny } from "./support.ts";

const lineageOf = (model: Model): Lineage => model.description!["learned"] as Lineage;

describe("the last layer's arithmetic", () => {
  // [3, 2]
  const start = { weight: Float32Array.of(0.5, -1, 0.25, 1, 0.125, -0.5), bias: Float32Array.of(0.1, -0.2, 0) };
  const examples = { features: [Float32Array.of(1, -2), Float32Array.of(0.5, 0.75)], labels: [2, 0] };
  const rates = { learningRate: 1, steps: 1, l2: 0 };

  test("one step goes down the gradient of the loss, by the rate over the mean squared length", () => {
    const loss = (weight: Float32Array, bias: Float32Array): number => {
      const losses = examples.features.map((x, n) => {
        const logits = Array.from(bias, (b, k) => b + weight[2 * k]! * x[0]! + weight[2 * k + 1]! * x[1]!);
        return Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0)) - logits[examples.labels[n]!]!;
      });
      return (losses[0]! + losses[1]!) / 2;
    };
    const fitted = fitHead(start, examples, { ...rates, learningRate: 0.01 });
    assert.ok(Math.abs(fitted.lossBefore - loss(start.weight, start.bias)) < 1e-6);
    assert.ok(Math.abs(fitted.lossAfter - loss(fitted.weight, fitted.bias)) < 1e-6);
    const rate = 0.01 / ((1 + 4 + 1 + 0.25 + 0.5625 + 1) / 2);
    const h = 1e-2;
    for (let i = 0; i < 9; i++) {
      const moved = (by: number): number => {
        const weight = start.weight.slice(),
          bias = start.bias.slice();
        if (i < 6) weight[i]! += by;
        else bias[i - 6]! += by;
        return loss(weight, bias);
      };
      const expected = (-rate * (moved(h) - moved(-h))) / (2 * h);
      const actual = i < 6 ? fitted.weight[i]! - start.weight[i]! : fitted.bias[i - 6]! - start.bias[i - 6]!;
      assert.ok(Math.abs(actual - expected) < 1e-6, `${i}: ${actual} for ${expected}`);
    }
  });

  test("l2 goes back to where it began; too large a rate is NON_FINITE", () => {
    const far = (fitted: { weight: Float32Array }): number =>
      fitted.weight.reduce((sum, value, i) => sum + Math.abs(value - start.weight[i]!), 0);
    assert.ok(
      far(fitHead(start, examples, { ...rates, steps: 50, l2: 0.3 })) <
        0.8 * far(fitHead(start, examples, { ...rates, steps: 50 })),
    );
    assert.throws(() => fitHead(start, examples, { ...rates, learningRate: 1e60 }), code("NON_FINITE"));
  });
});

describe("an update", () => {
  test(
    "moves its text to its label and says how far; calibration and labels stay; the features are those that " +
      "answers are made of",
    async () => {
      // with a lockstep.json; the other is a plain folder, pooled by the first token
      const files = meanFiles({ pooling: "mean" });
      for (const source of [await tiny(1), { name: await versionName(files), files }]) {
        await using model = await Model.open(source, { threads: 1 });
        const text = "Where is my card, and can I have a loan?";
        const [base, before, calibration] = [
          model.version,
          await model.classify(text, { topK: 100 }),
          model.info.calibration,
        ];
        const wanted = before.top[1]!;
        const loss = -Math.log(
          wanted.probability ** calibration.temperature /
            before.top.reduce((sum, { probability }) => sum + probability ** calibration.temperature, 0),
        );
        const result = await model.learn([{ text, label: wanted.label }]);
        assert.ok(Math.abs(result.lossBefore - loss) < 1e-4, `${result.lossBefore} for ${loss}`);
        assert.ok(result.lossAfter < result.lossBefore);
        assert.deepEqual(
          [result.parent, result.version, result.published, result.updates],
          [base, model.version, model.version, 1],
        );
        const after = await model.classify(text);
        assert.deepEqual(
          [after.label, after.version, model.info.calibration],
          [wanted.label, result.version, calibration],
        );
        assert.equal(model.description!["metrics"], undefined, "measured on other weights");
        assert.deepEqual(
          lineageOf(model).updates.map(({ parent, examples }) => [parent, examples]),
          [[base, 1]],
        );
      }
    },
  );

  test("that cannot be is refused, and nothing is changed", async () => {
    await using model = await openTiny();
    await using attached = attachModel(model.handle());
    const base = model.version;
    const wrong: [string, string, LearnOptions, string][] = [
      [TEXTS[0]!, "no such label", {}, "INPUT_INVALID"],
      ["a\ud800", "card", {}, "INPUT_INVALID"],
      [TEXTS[0]!, "card", { learningRate: 1e60 }, "NON_FINITE"],
      [TEXTS[0]!, "card", { learningRate: 0 }, "OPTION_INVALID"],
      [TEXTS[0]!, "card", { steps: 0.5 }, "OPTION_INVALID"],
      [TEXTS[0]!, "card", { store: true }, "OPTION_INVALID"],
      [TEXTS[0]!, "card", { signal: AbortSignal.abort() }, "CANCELLED"],
    ];
    for (const one of [model, attached]) {
      for (const [text, label, options, expected] of wrong)
        await assert.rejects(
          one.learn([{ text, label }], options),
          code(expected),
          `${label} ${JSON.stringify(options)}`,
        );
      await assert.rejects(one.learn([]), code("INPUT_INVALID"));
      await assert.rejects(one.learn([{ text: "card", label: 1 as unknown as string }]), code("INPUT_INVALID"));
    }
    assert.equal(model.version, base);
    const [bad, good] = await Promise.allSettled([
      attached.learn([{ text: "card", label: "none" }]),
      attached.learn([{ text: "card", label: "card" }]),
    ]);
    assert.equal(bad.status, "rejected");
    assert.ok(good.status === "fulfilled" && good.value.parent === base && good.value.updates === 1);
  });

  test("that waits can be cancelled; one that has begun is finished; closing refuses what waits", async () => {
    const model = await openTiny();
    await using attached = attachModel(model.handle());
    const second = await tiny(2);
    const controller = new AbortController();
    const publishing = model.publish(second);
    const cancelled = attached.learn([{ text: "card", label: "card" }], { signal: controller.signal });
    const kept = attached.learn([{ text: "card", label: "cash" }]);
    controller.abort();
    await assert.rejects(cancelled, code("CANCELLED"));
    await publishing;
    const result = await kept;
    assert.deepEqual([result.parent, result.updates], [second.name, 1], "as if the cancelled one had never been");
    const third = model.publish(await tiny(3));
    const refused = model.learn([{ text: "card", label: "loan" }]);
    const closed = model.close();
    await assert.rejects(refused, code("SHUTTING_DOWN"));
    await third.catch((error: unknown) => {
      assert.ok(code("SHUTTING_DOWN")(error));
    });
    await closed;
    await assert.rejects(model.learn([{ text: "card", label: "loan" }]), code("SHUTTING_DOWN"));
    await assert.rejects(model.publish(second), code("SHUTTING_DOWN"));
  });

  test("is written into the store on demand, under the name that it has in memory", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-learn-"));
    const store = await openStore(join(folder, "store"), { create: true });
    const base = await store.publish((await tiny(1)).files);
    await using model = await loadModel(store.root, { threads: 1 });
    const [{ version: between }, { version, parent }] = await Promise.all([
      model.learn([{ text: TEXTS[0]!, label: "cash" }]),
      model.learn([{ text: TEXTS[1]!, label: "loan" }], { store: true }),
    ]);
    assert.deepEqual((await store.list()).map(({ name }) => name).sort(), [base.name, version].sort());
    await using again = await loadModel(store.root, { version, threads: 1 });
    assert.deepEqual(
      [parent, ...lineageOf(again).updates.map((update) => update.parent)],
      [between, base.name, between],
    );
    assert.deepEqual(await again.classify(TEXTS), await model.classify(TEXTS));
    await rm(folder, { recursive: true, force: true });
  });
});

test("publications and updates are one line: each update starts from what came before it", async () => {
  await using model = await openTiny();
  await using attached = attachModel(model.handle());
  const other = await tiny(2);
  const [first, , second, third] = await Promise.all([
    model.learn([{ text: "card", label: "loan" }]),
    model.publish(other),
    model.learn([{ text: "card", label: "cash" }]),
    model.learn([{ text: "loan", label: "cash" }]),
  ]);
  assert.deepEqual([second.parent, second.updates, third.parent, third.updates], [other.name, 1, second.version, 2]);
  assert.deepEqual([second.published, third.published, model.version], [third.version, third.version, third.version]);
  assert.equal(first.updates, 1);
  assert.equal((await attached.classify("card")).version, third.version);
  await using fresh = await Model.open(other, { threads: 1 });
  assert.equal(
    (await fresh.learn([{ text: "card", label: "cash" }])).version,
    second.version,
    "nothing of the version before is left in the learner",
  );
});
