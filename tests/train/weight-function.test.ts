/**
 * A function of one's own for the weights of shards: what it is given, what becomes of what it gives, what it may not
 * give, and that a training that is resumed has the same history. More threads, kills: shard-weights.long.test.ts,
 * kill.long.test.ts.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { train } from "../../src/edge/api/index.ts";
import { isLockstepError, seedFrom } from "../../src/base/index.ts";
import {
  runTraining,
  type ShardWeightFunction,
  type StepFigures,
  type TrainingInput,
} from "../../src/work/train/index.ts";
import { createExchange } from "../../src/work/train/exchange.ts";
import { askedWeights, integerWeights } from "../../src/work/train/weight-function.ts";
import { REMEMBERED_STEPS, WeightHistory } from "../../src/work/train/weight-history.ts";
import { askedRecipe, curriculum, textOf } from "./asked-weights.ts";
import { asking, BRIEF } from "./brief.ts";
import { interruptedOnce } from "./interrupted-once.ts";
import { digestsOf, SMALL, smallInput } from "./small.ts";

const ROWS = 64;

test("integers: whole numbers as they are, others to 1/65,536 of the largest, and 0 only where 0 was given", () => {
  assert.deepEqual(integerWeights(Float64Array.of(1, 2, 0, 65_536), [1, 1, 1, 1]), Float64Array.of(1, 2, 0, 65_536));
  assert.deepEqual(
    integerWeights(Float64Array.of(0.5, 1e-300, 1, 7), [1, 1, 1, 0]),
    Float64Array.of(32_768, 1, 65_536, 0),
  );
  assert.deepEqual(integerWeights(Float64Array.of(-0, 5e-324), [1, 1]), Float64Array.of(0, 65_536));
  const weight = fc.oneof(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), fc.nat(70_000), fc.constant(0));
  const shards = fc.array(fc.tuple(weight, fc.nat(2)), { minLength: 1, maxLength: 16 });
  fc.assert(
    fc.property(shards, (made) => {
      const given = Float64Array.from(made, ([one]) => one);
      const counts = made.map(([, count]) => count);
      const whole = integerWeights(given, counts);
      const most = Math.max(...given.filter((_, shard) => counts[shard] !== 0));
      whole.forEach((one, shard) => {
        assert.ok(Number.isInteger(one) && one >= 0 && one <= 65_536 && !Object.is(one, -0));
        assert.equal(one > 0, given[shard]! > 0 && counts[shard]! > 0);
        if (one > 1 && most > 65_536) assert.ok(Math.abs(one / 65_536 - given[shard]! / most) <= 0.5 / 65_536);
      });
      // Σ α = 1 exactly, since every α is a whole number over their sum
      const total = whole.reduce((sum, one) => sum + BigInt(one), 0n);
      assert.equal(total, BigInt(whole.reduce((sum, one) => sum + one, 0)));
    }),
  );
});

test("the last 128 steps are remembered, oldest first", () => {
  const history = new WeightHistory(new Float64Array(WeightHistory.length(2)));
  assert.deepEqual(history.earlier(), []);
  for (let step = 0; step < REMEMBERED_STEPS + 3; step++) {
    history.given.set([step, 0.5]);
    history.remember(Float64Array.of(NaN, -step));
  }
  const earlier = history.earlier();
  assert.deepEqual(
    earlier.map(({ step }) => step),
    Array.from({ length: REMEMBERED_STEPS }, (_, index) => index + 3),
  );
  for (const { step, weights, losses } of earlier)
    assert.deepEqual([weights, losses], [Float64Array.of(step, 0.5), Float64Array.of(NaN, -step)]);
});

test("one that gives the losses of a shard is the policy size, to the bit; it sees what they hold", async () => {
  const plain = await digestsOf(await smallInput({ ...SMALL, pretrain: { epochs: 0 } }, ROWS), { threads: 1 });
  const input = await smallInput({ ...askedRecipe("own"), pretrain: undefined }, ROWS);
  const seen: StepFigures[] = [];
  const own: ShardWeightFunction = (figures) => {
    seen.push(figures);
    return figures.shards.map(({ losses }) => losses);
  };
  const { losses, model } = await digestsOf(input, { threads: 2, shardWeights: { own } });
  assert.deepEqual(losses, plain.losses);
  assert.deepEqual(model.weights, plain.model.weights);
  const { labels, train } = input.datasets[0]!;
  assert.deepEqual(
    seen.map(({ step, earlier }) => [step, earlier.length]),
    losses.map((_, step) => [step, step]),
  );
  for (const { phase, steps, epoch, shards } of seen) {
    assert.deepEqual([phase, steps, epoch, shards.length], ["1/1 classify", losses.length, 0, 8]);
    for (const shard of shards) {
      assert.equal(shard.losses, shard.examples.length);
      assert.ok(shard.examples.every((example) => train.includes(example)));
      assert.deepEqual(
        shard.labels,
        shard.examples.map((example) => input.names[0]![labels[example]!]),
      );
    }
  }
  const last = seen.at(-1)!;
  for (const { step, weights, losses: means } of last.earlier) {
    const held = seen[step]!.shards;
    assert.deepEqual(
      Array.from(weights),
      held.map((shard) => shard.losses),
    );
    const whole = means.reduce((sum, mean, shard) => (Number.isNaN(mean) ? sum : sum + mean * held[shard]!.losses), 0);
    assert.ok(Math.abs(whole / held.reduce((sum, shard) => sum + shard.losses, 0) - losses[step]!) < 1e-5);
  }
});

test("one thread, or three after an interruption: the same states, and the same is seen", async () => {
  const input = await smallInput(askedRecipe("curriculum/2"), ROWS);
  const seenBy = (into: string[]): { readonly shardWeights: Record<string, ShardWeightFunction> } => ({
    shardWeights: {
      "curriculum/2": (figures) => {
        into.push(textOf(figures));
        return curriculum(figures);
      },
    },
  });
  const [alone, again]: [string[], string[]] = [[], []];
  const { digests } = await digestsOf(input, { threads: 1, ...seenBy(alone) });
  assert.equal((await interruptedOnce(input, 1, seenBy(again))).stateDigest, digests.at(-1));
  assert.equal(alone.length, digests.length);
  assert.deepEqual(again, alone);
});

interface Wrong {
  readonly name: string;
  /** What is given for so many shards. */
  readonly gives: (shards: number) => unknown;
  readonly why: RegExp;
  /** @default none */
  readonly shard?: number;
}

const filled = (shards: number, one: unknown, at?: number): unknown[] =>
  Array.from({ length: shards }, (_, shard) => (at === undefined || shard === at ? one : 1));
const throws = (): never => {
  throw new TypeError("no such class");
};
const WRONG: readonly Wrong[] = [
  { name: "throws", gives: throws, why: /threw no such class/ },
  { name: "promises", gives: async (shards) => filled(shards, 1), why: /gave a promise/ },
  { name: "promises, and fails", gives: () => Promise.reject(new Error("later")), why: /gave a promise/ },
  { name: "nothing", gives: () => undefined, why: /did not give an array/ },
  { name: "too few", gives: (shards) => filled(shards - 1, 1), why: /gave 7 weights for 8 shards/ },
  { name: "NaN", gives: (shards) => Float32Array.from(filled(shards, NaN, 3) as number[]), why: /gave NaN/, shard: 3 },
  { name: "negative", gives: (shards) => filled(shards, -1e-9, 5), why: /gave -1e-9/, shard: 5 },
  { name: "infinite", gives: (shards) => filled(shards, Infinity, 7), why: /gave Infinity/, shard: 7 },
  { name: "texts", gives: (shards) => filled(shards, "1"), why: /gave 1, where a finite number/, shard: 0 },
  { name: "big integers", gives: (shards) => filled(shards, 1n, 2), why: /gave 1, where/, shard: 2 },
  { name: "all 0 but one without losses", gives: (shards) => [...filled(shards - 1, 0), 1], why: /0 for every shard/ },
];

test("what may not be given is refused with function, step and shard", async () => {
  const { recipe, config, special, names: all, datasets } = await smallInput(askedRecipe("own"), ROWS);
  const names = all[0]!;
  const phase = recipe.phases[0]!;
  const { train: examples, ...dataset } = datasets[0]!;
  const plan = { batchSize: 24, shards: 8, epochs: 1, seed: seedFrom(1) };
  const data = { ...dataset, examples };
  const context = { phase, config, special, names, labels: names.length, pooling: "mean", data, plan } as const;
  for (const { name, gives, why, shard = null } of WRONG) {
    const exchange = createExchange(phase.shard_weights, 8, 1, 0);
    exchange.counts.fill(3);
    if (name.includes("without losses")) exchange.counts[7] = 0;
    const before = exchange.remembered.slice();
    const own: ShardWeightFunction = ({ shards }) => gives(shards.length) as number[];
    const asked = askedWeights({ ...context, name: "1/1 classify" }, exchange, { own })!;
    assert.throws(
      () => asked.answer(1),
      (thrown) => {
        assert.ok(isLockstepError(thrown) && thrown.code === "CALLBACK_FAILED", name);
        assert.match(thrown.message, why);
        assert.match(thrown.message, /^the function of weights "own".*at step 1 of 1\/1 classify/);
        assert.deepEqual(thrown.details, { function: "own", phase: "1/1 classify", step: 1, shard });
        return true;
      },
    );
    assert.deepEqual(exchange.remembered, before);
  }
});

test("a function that fails stops the training before that step, saved, and it can be gone on with", async (t) => {
  const input = await smallInput(askedRecipe("own"), ROWS);
  const own: ShardWeightFunction = ({ shards }) => shards.map(({ tokens }) => tokens + 0.5);
  const whole = await runTraining(input, { threads: 1, shardWeights: { own } });
  const folder = await mkdtemp(join(tmpdir(), "lockstep-asked-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const checkpoints = { folder, everySeconds: 3600, resume: true };
  for (const { gives, why } of WRONG.slice(0, 1)) {
    const failing: ShardWeightFunction = (figures) =>
      figures.step === 1 ? (gives(figures.shards.length) as number[]) : own(figures);
    await assert.rejects(runTraining(input, { threads: 3, checkpoints, shardWeights: { own: failing } }), (thrown) => {
      assert.ok(isLockstepError(thrown) && thrown.code === "CALLBACK_FAILED");
      assert.match(thrown.message, why);
      assert.match(thrown.message, /at step 1 of 1\/1 classify; .*saved; go on with --resume$/);
      assert.match(String(thrown.details["checkpoint"]), /step-000000000001\.checkpoint$/);
      return true;
    });
  }
  const resumed = await runTraining(input, { threads: 2, checkpoints, shardWeights: { own } });
  assert.equal(resumed.stateDigest, whole.stateDigest);
});

test("a name without a function, a function without a name, and another name at a checkpoint are refused", async () => {
  const own: ShardWeightFunction = ({ shards }) => shards.map(() => 1);
  const input = await smallInput(askedRecipe("one"), ROWS);
  const refused = (
    given: Record<string, ShardWeightFunction> | undefined,
    message: RegExp,
    of: TrainingInput = input,
  ) => assert.rejects(runTraining(of, { threads: 1, shardWeights: given }), { code: "OPTION_INVALID", message });
  await refused(undefined, /phases\.0\.shard_weights names the function "one"/);
  await refused({ one: own, two: own }, /"two" is given, and no phase/);
  await refused({ one: own }, /"one" is given, and no phase/, await smallInput(SMALL, ROWS));
  const other = await smallInput(askedRecipe("other"), ROWS);
  await assert.rejects(
    interruptedOnce(input, 1, { shardWeights: { one: own } }, async (folder) => {
      const checkpoints = { folder, everySeconds: 3600, resume: true };
      await runTraining(other, { threads: 1, checkpoints, shardWeights: { other: own } });
    }),
    { code: "OPTION_INVALID", message: /another recipe/ },
  );
});

test("train: a function that is not given is refused before any file is read", async () => {
  await assert.rejects(train({ ...BRIEF, ...asking("one"), data: "not there.csv" }), {
    code: "OPTION_INVALID",
    message: /phases\.1\.shard_weights names the function "one"/,
  });
});
