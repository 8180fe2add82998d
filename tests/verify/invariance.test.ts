/** The comparison behind `verify`: which batches it tries, and that it sees one bit at one place and says which. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { loadTokenizer } from "../../src/language/text/index.ts";
import {
  BATCH_SIZES,
  compareBatches,
  invarianceRows,
  mixedBatches,
  runAlone,
  slidingBatches,
  type RowRef,
  type RunRows,
} from "../../src/work/infer/index.ts";
import { tinyFiles } from "../serve/tiny-version.ts";
import { honest, honestRun, nextBits, sets, spoiled } from "./rows.ts";

const THREE = sets(4, 9, 80);
const quiet = async (): Promise<void> => {};
const everything: RowRef[][] = [...THREE.flatMap((_, set) => slidingBatches(set, 32, 32)), ...mixedBatches(THREE, 3)];
const compare = async (run: RunRows) =>
  compareBatches(run, THREE, await runAlone(honestRun, THREE, quiet), everything, quiet);

describe("batches", () => {
  test("one row stands at every position of every size", () => {
    const batches = slidingBatches(0, 32, 32);
    for (const size of BATCH_SIZES) {
      const ofSize = batches.filter((batch) => batch.length === size);
      assert.equal(ofSize.length, size);
      const subject = size - 1;
      assert.deepEqual(
        ofSize.map((batch) => batch.findIndex(({ row }) => row === subject)).sort((a, b) => a - b),
        Array.from({ length: size }, (_, i) => i),
      );
    }
  });

  test("fewer windows still cover every size and position", () => {
    for (const windows of [1, 2, 4]) {
      const batches = slidingBatches(1, 32, windows);
      assert.deepEqual([...new Set(batches.map(({ length }) => length))], [...BATCH_SIZES]);
      assert.equal(
        batches.length,
        BATCH_SIZES.reduce((sum, size) => sum + Math.min(size, windows), 0),
      );
      for (const batch of batches)
        assert.equal(new Set(batch.map(({ row }) => row)).size, batch.length, "no row twice in a batch");
    }
  });

  test("mixed batches hold rows of several lengths, in every size, in other orders each time", () => {
    const batches = mixedBatches(THREE, 3);
    assert.deepEqual([...new Set(batches.map(({ length }) => length))], [...BATCH_SIZES]);
    assert.ok(
      batches.filter(({ length }) => length >= 8).every((batch) => new Set(batch.map(({ set }) => set)).size === 3),
    );
    assert.equal(new Set(batches.map((batch) => JSON.stringify(batch))).size, batches.length);
  });
});

describe("comparison", () => {
  test("rows that are functions of themselves pass, and all were computed", async () => {
    const { runs, rows, difference } = await compare(honestRun);
    assert.deepEqual([runs, rows, difference], [everything.length, everything.flat().length, null]);
  });

  test("one wrong bit is reported with its batch, position, length, element and both values", async () => {
    const broken = spoiled((answers, rows) => {
      if (rows.length === 5 && rows[0]!.ids.length === 9) answers[3]![2] = nextBits(answers[3]![2]!);
    });
    const { difference } = await compare(broken);
    const expected = honest(THREE[1]!.rows[3]!)[2]!;
    const hex = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0]!.toString(16).padStart(8, "0");
    assert.deepEqual(difference, {
      set: 1,
      row: 3,
      batch: 5,
      position: 3,
      length: 9,
      tokens: 9,
      element: 2,
      expected: hex(expected),
      actual: hex(nextBits(expected)),
    });
  });

  test("a row that depends on one place, of one size, among mates of other lengths only, is found", async () => {
    for (const spoil of [
      (answers: Float32Array[]) => {
        if (answers.length === 32) answers[31]![0] = nextBits(answers[31]![0]!);
      },
      (answers: Float32Array[]) => {
        if (answers.length === 1) answers[0]![3] = nextBits(answers[0]![3]!);
      },
      (answers: Float32Array[], rows: readonly { ids: Int32Array }[]) => {
        if (new Set(rows.map(({ ids }) => ids.length)).size > 1) answers.at(-1)![1] = 0;
      },
    ])
      assert.notEqual((await compare(spoiled(spoil))).difference, null);
  });

  test("a zero of the other sign is another answer; a row too short too", async () => {
    const alone = await runAlone(async (rows) => rows.map(() => Float32Array.of(0, 1)), THREE, quiet);
    const batch: RowRef[][] = [
      [
        { set: 0, row: 0 },
        { set: 0, row: 1 },
      ],
    ];
    const negative = await compareBatches(
      async (rows) => rows.map(() => Float32Array.of(-0, 1)),
      THREE,
      alone,
      batch,
      quiet,
    );
    assert.deepEqual(
      [negative.difference?.element, negative.difference?.expected, negative.difference?.actual],
      [0, "00000000", "80000000"],
    );
    const short = await compareBatches(async (rows) => rows.map(() => Float32Array.of(0)), THREE, alone, batch, quiet);
    assert.deepEqual([short.difference?.element, short.difference?.actual], [1, "missing"]);
  });

  test("it stops at the first difference, and tries nothing twice", async () => {
    let calls = 0;
    const alone = await runAlone(honestRun, THREE, quiet);
    const broken = spoiled((answers) => {
      calls++;
      if (answers.length === 2) answers[1]![0] = 9;
    });
    const { runs, difference } = await compareBatches(broken, THREE, alone, slidingBatches(0, 32, 32), quiet);
    assert.deepEqual([calls, runs, difference?.batch, difference?.position], [2, 2, 2, 1]);
  });

  test("what is not finite is an error, not a row to compare with", async () => {
    await assert.rejects(
      runAlone(
        spoiled((answers, rows) => {
          if (rows[0]!.ids[0] === 32) answers[0]![2] = NaN;
        }),
        THREE,
        quiet,
      ),
      (error: unknown) =>
        isLockstepError(error) &&
        error.code === "NON_FINITE" &&
        error.details["row"] === 1 &&
        error.details["element"] === 2,
    );
  });

  test("a runner that loses an answer is an error", async () => {
    const alone = await runAlone(honestRun, THREE, quiet);
    await assert.rejects(
      compareBatches(async (rows) => rows.slice(1).map(honest), THREE, alone, slidingBatches(0, 32, 1), quiet),
      (error: unknown) => isLockstepError(error) && error.code === "INTERNAL",
    );
  });
});

describe("rows", () => {
  const files = tinyFiles(1);
  const json = (name: string) => new TextDecoder().decode(files.get(name)!.slice());
  const tokenizer = loadTokenizer(
    { tokenizerJson: json("tokenizer.json"), tokenizerConfig: JSON.parse(json("tokenizer_config.json")) as object },
    { maxLength: 512 },
  );

  test("three lengths within the limit; above 64 tokens the long rows share a padded one", async () => {
    const lengths = async (maxTokens: number) =>
      (await invarianceRows(tokenizer, maxTokens)).map(({ tokens, rows }) => [
        tokens,
        Math.min(...rows.map(({ ids }) => ids.length)),
        Math.max(...rows.map(({ ids }) => ids.length)),
        rows.length,
      ]);
    assert.deepEqual(await lengths(512), [
      [8, 8, 8, 32],
      [24, 24, 24, 32],
      [80, 65, 80, 32],
    ]);
    assert.deepEqual(await lengths(70), [
      [8, 8, 8, 32],
      [24, 24, 24, 32],
      [80, 65, 70, 32],
    ]);
    assert.deepEqual(await lengths(64), [
      [8, 8, 8, 32],
      [24, 24, 24, 32],
      [64, 64, 64, 32],
    ]);
    assert.deepEqual(await lengths(9), [
      [8, 8, 8, 32],
      [9, 9, 9, 32],
    ]);
    assert.deepEqual(await lengths(3), [[3, 3, 3, 32]]);
  });

  test("they are the same every time, and hardly two alike", async () => {
    const [, , long] = await invarianceRows(tokenizer, 96);
    assert.deepEqual(long, (await invarianceRows(tokenizer, 96))[2]);
    assert.ok(new Set(long!.rows.map(({ ids }) => ids.join())).size >= 30);
  });

  test("a tokenizer that makes nothing of words is an error", async () => {
    await assert.rejects(
      invarianceRows(tokenizer, 64, ["\u0000"]),
      (error: unknown) => isLockstepError(error) && error.code === "TOKENIZER_INVALID",
    );
  });
});
