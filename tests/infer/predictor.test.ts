/**
 * The predictor: rows in order whatever their lengths, grouped by padded length, and never dependent on their mates.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import {
  createExecutor,
  createReferenceExecutor,
  firstDifference,
  type Executor,
  type Session,
} from "../../src/numeric/runtime/index.ts";
import { openPredictor, rowLength, type TokenRow } from "../../src/work/infer/index.ts";
import { modelGraph } from "../../src/language/models/index.ts";
import { elements, tensor } from "../../src/numeric/tensor/index.ts";
import { tinyVersion } from "./tiny.ts";

const row = (length: number, from = 1): TokenRow => ({
  ids: Int32Array.from({ length }, (_, t) => (from * 17 + t * 5) % 64),
});

/**
 * An executor without arithmetic: the first logit is the row's first id, the others 0; it notes the shape of every
 * batch.
 */
function recording(): { executor: Executor; batches: string[]; disposed: () => number } {
  const batches: string[] = [];
  let disposed = 0;
  const session: Session = {
    profile: { executor: "native", form: "packed", build: "fake", cpu: "fake", id: "fake" },
    run: async (inputs, outputs) => {
      const [B, T] = inputs["input_ids"]!.shape as [number, number];
      batches.push(`${B}×${T}`);
      for (let b = 0; b < B; b++) outputs["logits"]!.data[b * 3] = inputs["input_ids"]!.data[b * T]!;
    },
    dispose: async () => {
      disposed++;
    },
  };
  return {
    executor: {
      name: "native",
      real: "float32",
      load: async () => session,
      createCache: () => assert.fail("rows have no cache"),
    },
    batches,
    disposed: () => disposed,
  };
}

describe("batches", () => {
  test(
    "rows of one padded length run together, in the order of first sight, and answers come back in the order of " +
      "rows",
    async () => {
      const { executor, batches } = recording();
      const predictor = await openPredictor(tinyVersion(), executor, { selfCheck: false });
      const lengths = [5, 66, 1, 5, 80, 2, 5, 81, 64];
      const rows = lengths.map((length, i) => ({ ids: Int32Array.from({ length }, () => i + 1) }));
      const answers = await predictor.run(rows);
      assert.deepEqual(
        answers.map(([first]) => first),
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
      );
      assert.deepEqual(batches, ["3×5", "2×80", "2×2", "1×96", "1×64"]);
      assert.deepEqual(
        lengths.map((length) => rowLength(row(length))),
        [5, 80, 2, 5, 80, 2, 5, 96, 64],
      );
      assert.deepEqual(await predictor.run([]), []);
    },
  );

  test("long lists are cut by rows and by tokens; a row longer than the limit still runs", async () => {
    const { executor, batches } = recording();
    const predictor = await openPredictor(tinyVersion(), executor, { selfCheck: false, maxRows: 3, maxTokens: 20 });
    const answers = await predictor.run([
      ...Array.from({ length: 7 }, (_, i) => row(4, i)),
      ...Array.from({ length: 3 }, (_, i) => row(10, i)),
      row(33),
    ]);
    assert.equal(answers.length, 11);
    assert.deepEqual(batches, ["3×4", "3×4", "1×4", "2×10", "1×10", "1×33"]);
  });

  test("a row without tokens is refused by its place", async () => {
    const predictor = await openPredictor(tinyVersion(), recording().executor, { selfCheck: false });
    await assert.rejects(
      predictor.run([row(3), { ids: new Int32Array(0) }]),
      (error: unknown) => isLockstepError(error) && error.code === "INPUT_INVALID" && error.details["row"] === 1,
    );
  });

  test("an executor whose rows depend on their mates is refused, and its session released", async () => {
    const { executor, disposed } = recording();
    const session = await executor.load(modelGraph(tinyVersion().config, tinyVersion().head), {
      form: "packed",
      weights: {},
    });
    const dependent: Executor = {
      ...executor,
      load: async () => ({
        ...session,
        run: async (inputs, outputs) => {
          (outputs["logits"]!.data as Float32Array).fill(inputs["input_ids"]!.shape[0]!);
        },
      }),
    };
    await assert.rejects(
      openPredictor(tinyVersion(), dependent),
      (error: unknown) => isLockstepError(error) && error.code === "NUMERICS_UNTRUSTED",
    );
    assert.equal(disposed(), 1);
  });
});

for (const pooling of ["first", "mean"] as const)
  describe(`BERT pooled by ${pooling}`, () => {
    const version = tinyVersion({ pooling });
    const rows = [
      ...Array.from({ length: 8 }, (_, i) => row(7, i)),
      ...Array.from({ length: 5 }, (_, i) => row(65 + 3 * i, i)),
    ];

    for (const name of ["native", "portable"] as const) {
      test(`rows have the same bits in every batch and position in ${name}`, async () => {
        const predictor = await openPredictor(version, await createExecutor(name));
        const alone: Float32Array[] = [];
        for (const each of rows) alone.push(...(await predictor.run([each])));
        for (const size of [1, 2, 3, 5, 8, 13])
          for (let from = 0; from < rows.length; from += 3) {
            const indices = Array.from({ length: size }, (_, p) => (from + p) % rows.length);
            const together = await predictor.run(indices.map((index) => rows[index]!));
            indices.forEach((index, p) => {
              assert.equal(firstDifference(together[p]!, alone[index]!), -1, `row ${index} at ${p} of ${size}`);
            });
          }
        await predictor.dispose();
      });
    }

    test("native and portable are near the reference interpreter", async () => {
      const [native, portable] = await Promise.all(
        (["native", "portable"] as const).map(async (name) => {
          const predictor = await openPredictor(version, await createExecutor(name), { selfCheck: false });
          const answers = await predictor.run(rows);
          await predictor.dispose();
          return answers;
        }),
      );
      const expected = await oracle(version, rows[9]!);
      for (const answers of [native!, portable!])
        answers[9]!.forEach((value, c) => {
          assert.ok(Math.abs(value - expected[c]!) < 1e-5, `${value} for ${expected[c]}`);
        });
    });
  });

test("a version with few positions: rows padded beyond the last of them, and a self-check that fits", async () => {
  const executor = await createExecutor("native");
  const predictor = await openPredictor(tinyVersion({ positions: 70 }), executor); // 66 tokens are padded to 80
  const [alone] = await predictor.run([row(66)]);
  const [, again] = await predictor.run([row(70), row(66)]);
  assert.equal(firstDifference(alone!, again!), -1);
  const expected = await oracle(tinyVersion({ positions: 70 }), row(66));
  alone!.forEach((value, c) => {
    assert.ok(Math.abs(value - expected[c]!) < 1e-5);
  });
  await predictor.dispose();
  await (await openPredictor(tinyVersion({ positions: 5 }), executor)).dispose();
});

/** One row, not padded at all, in float64. */
async function oracle(
  { config, head, weights }: ReturnType<typeof tinyVersion>,
  { ids }: TokenRow,
): Promise<ArrayLike<number>> {
  const T = ids.length;
  const session = await createReferenceExecutor().load(modelGraph(config, head), { form: "shared", weights });
  const int = (shape: number[], of: (i: number) => number) =>
    tensor(
      "int32",
      shape,
      Int32Array.from({ length: elements(shape) }, (_, i) => of(i)),
    );
  const logits = new Float64Array(3);
  await session.run(
    {
      input_ids: int([1, T], (t) => ids[t]!),
      token_type_ids: int([1, T], () => 0),
      position_ids: int([1, T], (t) => t),
      attention_bias: tensor("float64", [1, 1, 1, T], new Float64Array(T)),
      ...(head.kind === "sequence" && head.pooling === "first"
        ? { first_index: int([1], () => 0) }
        : {
            mean_weights: tensor(
              "float64",
              [1, 2, T],
              Float64Array.from({ length: 2 * T }, (_, i) => (i < T ? 1 / T : 0)),
            ),
          }),
    },
    { logits: tensor("float64", [1, 3], logits) },
  );
  await session.dispose();
  return logits;
}
