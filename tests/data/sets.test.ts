import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { paddedLength, seedFrom } from "../../src/base/index.ts";
import {
  encodeDataset,
  labelIds,
  labelSpace,
  labelWarnings,
  maskTokens,
  planEpoch,
  readTable,
  shardBatch,
  splitByHash,
} from "../../src/language/data/index.ts";
import { loadTokenizer } from "../../src/language/text/index.ts";

const tokenizer = loadTokenizer(
  { tokenizerJson: readFileSync(new URL("../tiny/tokenizer-uncased/tokenizer.json", import.meta.url), "utf8") },
  { maxLength: 64 },
);
const seed = seedFrom(7);

describe("labels", () => {
  it("are numbered in the order of their names", () => {
    const space = labelSpace(["b", "a", "Z", "b"]);
    assert.deepEqual(space.names, ["Z", "a", "b"]);
    assert.deepEqual([...space.ids], [2, 1, 0, 2]);
  });
  it("need two classes at least, and known names", () => {
    assert.throws(() => labelSpace(["a", "a"]), { code: "DATA_INVALID", message: /all 2 rows have the label "a"/ });
    assert.throws(() => labelSpace(["a"]), { code: "DATA_INVALID", message: /one row, with the label "a"/ });
    assert.throws(() => labelSpace([]), { code: "DATA_INVALID" });
    const many = Array.from({ length: 20_001 }, (_, i) => `class ${i}`);
    assert.throws(() => labelSpace(many), { code: "DATA_INVALID", message: /20001 distinct labels, at most 20000/ });
    const long = Array.from({ length: 5_000 }, (_, i) => `${i}`.padStart(1000, "é"));
    assert.throws(() => labelSpace(long), { code: "DATA_INVALID", message: /5000 labels have 9\.\d+ MiB together/ });
    assert.throws(() => labelIds(["Even"], ["even", "odd"]), { message: /"Even".*the known "even" looks like it/ });
    assert.throws(() => labelIds(["a", "q"], ["a", "b"], { path: "t.csv", lines: Int32Array.of(2, 3) }), {
      code: "DATA_INVALID",
      message: /line 3 of t\.csv \(row 2\) has the label "q"/,
    });
  });
});

describe("what is said of labels and taken as it is", () => {
  const warnings = (labels: readonly string[], held: readonly number[] = []) => {
    const { names, ids } = labelSpace(labels);
    return labelWarnings(
      names,
      ids,
      Array.from(labels.keys()).filter((row) => !held.includes(row)),
    );
  };
  const twice = (...names: string[]) => [...names, ...names];
  it("names that look alike: case, compositions, what cannot be seen", () => {
    for (const [a, b, shown] of [
      ["C", "c", '"C" and "c"'],
      ["caf\u00e9", "cafe\u0301", '"cafe\\u{301}" and "café"'],
      ["odd", "\u200bodd", '"odd" and "\\u{200b}odd"'],
      ["a  b", "a b", '"a  b" and "a b"'],
      ["x\u00a0y", "x y", '"x y" and "x\\u{a0}y"'],
    ] as const)
      assert.deepEqual(warnings(twice(a, b)), [`the labels ${shown} look alike and are classes of their own`]);
  });
  it("names for nothing, classes of one row, classes that are held out whole", () => {
    assert.match(warnings(twice("yes", "NaN")).join(), /^labels that programs write.*: "NaN"$/);
    assert.match(warnings([...twice("yes", "no"), "maybe"]).join(), /^labels with a single row.*: "maybe"$/);
    assert.match(warnings(["yes", "yes", "no", "no"], [2, 3]).join(), /^labels whose rows.*validation split.*: "no"$/);
    const singles = Array.from({ length: 8 }, (_, i) => `class ${i}`);
    assert.match(warnings([...twice("yes"), ...singles]).join(), /"class 4" and 3 more$/);
    assert.deepEqual(warnings(twice("yes", "no")), []);
  });
});

describe("splitByHash", () => {
  const texts = Array.from({ length: 4_000 }, (_, i) => `question number ${i}`);
  it("takes about the share it is told, each row once, the same again", () => {
    const { train, validation } = splitByHash(texts, { fraction: 0.1, seed });
    assert.ok(Math.abs(validation.length / texts.length - 0.1) < 0.02, `${validation.length}`);
    assert.deepEqual(
      [...train, ...validation].sort((a, b) => a - b),
      texts.map((_, i) => i),
    );
    assert.deepEqual(splitByHash(texts, { fraction: 0.1, seed }), { train, validation });
    assert.notDeepEqual(splitByHash(texts, { fraction: 0.1, seed: seedFrom(8) }).validation, validation);
    assert.equal(splitByHash(texts, { fraction: 0, seed }).validation.length, 0);
    assert.equal(splitByHash(texts, { fraction: 1, seed }).train.length, 0);
    assert.throws(() => splitByHash(texts, { fraction: 1.5, seed }), { code: "OPTION_INVALID" });
  });
  it("moves no row when others come, and keeps copies together", () => {
    const { validation } = splitByHash(texts.slice(0, 1_000), { fraction: 0.2, seed });
    assert.deepEqual(
      splitByHash(texts, { fraction: 0.2, seed }).validation.filter((row) => row < 1_000),
      validation,
    );
    const copies = texts.slice(0, 50).flatMap((text) => [text, ` ${text.toUpperCase()}`, text.replaceAll(" ", " \n ")]);
    const side = new Set(splitByHash(copies, { fraction: 0.5, seed }).validation);
    for (let i = 0; i < copies.length; i += 3)
      assert.ok(side.has(i) === side.has(i + 1) && side.has(i) === side.has(i + 2));
  });
});

describe("encodeDataset", () => {
  const texts = ["Where is my card?", "", "card ".repeat(200)];
  it("packs rows end to end, in memory that workers share", async () => {
    const progress: number[] = [];
    const data = await encodeDataset(tokenizer, texts, [2, 0, 1], { onProgress: (done) => progress.push(done) });
    texts.forEach((text, row) =>
      assert.deepEqual(data.ids.slice(data.offsets[row], data.offsets[row + 1]), tokenizer.encode(text).ids),
    );
    assert.deepEqual(rowLengths(data).slice(1), [2, 64]);
    assert.equal(data.truncated, 1);
    assert.equal(progress.at(-1), 3);
    const { promise, resolve } = Promise.withResolvers<Int32Array>();
    const worker = new Worker(
      "const { parentPort, workerData } = require('node:worker_threads'); workerData.labels[1] = 42; " +
        "parentPort.postMessage(workerData.ids);",
      { eval: true, workerData: data },
    );
    worker.once("message", resolve);
    assert.deepEqual(await promise, data.ids);
    await worker.terminate();
    assert.equal(data.labels?.[1], 42);
  });
  it("has a limit, and can be cancelled", async () => {
    await assert.rejects(encodeDataset(tokenizer, texts, undefined, { maxTokens: 30 }), {
      code: "INPUT_TOO_LARGE",
      message: /first 3 of 3/,
    });
    await assert.rejects(encodeDataset(tokenizer, texts, [1]), { code: "DATA_INVALID" });
    await assert.rejects(
      encodeDataset(
        tokenizer,
        Array.from({ length: 200_000 }, (_, i) => `card ${i}`),
        undefined,
        { signal: AbortSignal.abort() },
      ),
      { code: "CANCELLED" },
    );
  });
});

const lengthsOf = fc.array(
  fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 2, max: 40 }) }, fc.integer({ min: 2, max: 300 })),
  { minLength: 1, maxLength: 400 },
);

describe("batches", () => {
  it("hold every row once an epoch, and are a function of seed and epoch", () => {
    fc.assert(
      fc.property(
        lengthsOf,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 5 }),
        (lengths, batchSize, epoch) => {
          const plan = planEpoch({ lengths, batchSize, seed, epoch });
          assert.deepEqual(
            plan.flatMap((batch) => [...batch]).sort((a, b) => a - b),
            lengths.map((_, i) => i),
          );
          assert.equal(plan.length, Math.ceil(lengths.length / batchSize));
          assert.ok(plan.every((batch) => batch.length <= batchSize && batch.length > 0));
          assert.deepEqual(planEpoch({ lengths, batchSize, seed, epoch }), plan);
        },
      ),
      { numRuns: 100, seed: 1 },
    );
    const lengths = Array.from({ length: 200 }, (_, i) => 5 + (i % 7));
    assert.notDeepEqual(
      planEpoch({ lengths, batchSize: 8, seed, epoch: 0 }),
      planEpoch({ lengths, batchSize: 8, seed, epoch: 1 }),
    );
  });

  it("are cut into shards whose largest is as small as it can be", () => {
    const cost = (rows: ArrayLike<number>, lengths: number[]): number =>
      rows.length === 0
        ? 0
        : rows.length * Math.max(...Array.from(rows, (row) => paddedLength(lengths[row] as number)));
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 9 }),
        fc.constantFrom(1, 2, 4, 8),
        (lengths, shards) => {
          const batch = Int32Array.from(lengths, (_, i) => i);
          const groups = shardBatch(batch, lengths, shards);
          assert.equal(groups.length, shards);
          const flat = groups.flatMap((rows) => [...rows]);
          assert.deepEqual(
            [...flat].sort((a, b) => a - b),
            [...batch],
          );
          assert.deepEqual(
            flat.map((row) => lengths[row]),
            [...lengths].sort((a, b) => a - b),
          );
          // The oracle: every way to cut the sorted rows into at most `shards` groups.
          let best = Infinity;
          const cutFrom = (start: number, left: number, worst: number): void => {
            if (start === flat.length) best = Math.min(best, worst);
            else if (left > 0)
              for (let end = start + 1; end <= flat.length; end++)
                cutFrom(end, left - 1, Math.max(worst, cost(flat.slice(start, end), lengths)));
          };
          cutFrom(0, shards, 0);
          assert.equal(Math.max(...groups.map((rows) => cost(rows, lengths))), best);
        },
      ),
      { numRuns: 150, seed: 2 },
    );
  });

  it("waste under 5 % on BANKING77 with batches of 32 in two shards", async () => {
    const table = await readTable(fileURLToPath(new URL("../../examples/banking77/train.csv", import.meta.url)));
    const lengths = rowLengths(await encodeDataset(tokenizer, table.texts));
    const share = paddingShare(planEpoch({ lengths, batchSize: 32, seed, epoch: 0 }), lengths, 2);
    assert.ok(share < 0.05, `${share}`);
    const unsorted = Array.from({ length: Math.ceil(lengths.length / 32) }, (_, i) =>
      Int32Array.from({ length: Math.min(32, lengths.length - 32 * i) }, (__, j) => 32 * i + j),
    );
    assert.ok(paddingShare(unsorted, lengths, 1) > 0.3, "the control: rows as they come waste far more");
  });
});

describe("maskTokens", () => {
  const ids = Int32Array.from({ length: 20_000 }, (_, i) =>
    i % 10 === 0 ? tokenizer.special.cls : i % 10 === 9 ? tokenizer.special.pad : 100 + (i % 50),
  );
  const options = { seed, step: 3, shard: 1 };
  it("chooses 15 %, replaces 80-10-10, and never a special token", () => {
    const { inputs, positions, labels } = maskTokens(ids, tokenizer.special, tokenizer.vocabSize, options);
    const share = positions.length / 16_000;
    assert.ok(share > 0.14 && share < 0.16, `${share}`);
    let masked = 0;
    let kept = 0;
    positions.forEach((at, i) => {
      assert.equal(labels[i], ids[at]);
      assert.ok((ids[at] as number) >= 100);
      if (inputs[at] === tokenizer.special.mask) masked++;
      if (inputs[at] === ids[at]) kept++;
    });
    assert.ok(
      Math.abs(masked / positions.length - 0.8) < 0.03 && Math.abs(kept / positions.length - 0.1) < 0.03,
      `${masked} ${kept}`,
    );
    const chosen = new Set(positions);
    inputs.forEach((id, at) => {
      if (!chosen.has(at)) assert.equal(id, ids[at]);
    });
  });
  it("replaces by words only; recipes of before that was a setting still draw from the whole vocabulary", () => {
    const specials = new Set(Object.values(tokenizer.special));
    const drawn = (replacement: "word" | "any") => {
      const { inputs, positions, labels } = maskTokens(ids, tokenizer.special, 20, { ...options, replacement });
      return [...positions]
        .map((at) => inputs[at]!)
        .filter((id, i) => id !== labels[i] && id !== tokenizer.special.mask);
    };
    const words = drawn("word");
    assert.deepEqual(
      [...new Set(words)].sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, id) => id).filter((id) => !specials.has(id)),
    );
    assert.ok(drawn("any").includes(tokenizer.special.unk), "the control draws what must not be drawn");
  });
  it("chooses words whole at the same rate, and each of their tokens has a replacement of its own", () => {
    // words of one token to five, in turn; a special token or padding is a word by itself
    const wordStarts = Uint8Array.from(ids, (_, i) => ([0, 1, 3, 6, 9].includes(i % 10) ? 1 : 0));
    const { inputs, positions } = maskTokens(ids, tokenizer.special, tokenizer.vocabSize, { ...options, wordStarts });
    const chosen = Uint8Array.from(ids, () => 0);
    for (const at of positions) chosen[at] = 1;
    let words = 0;
    let apart = 0;
    for (let i = 0; i < ids.length; i += 10) {
      assert.ok(chosen[i] === 0 && chosen[i + 9] === 0, "special tokens");
      for (const [from, to] of [
        [1, 3],
        [3, 6],
        [6, 9],
      ] as const) {
        const marks = chosen.subarray(i + from, i + to);
        assert.equal(new Set(marks).size, 1, "a word is chosen whole or not at all");
        if (marks[0] === 0) continue;
        words++;
        const hidden = inputs.subarray(i + from, i + to).map((id) => (id === tokenizer.special.mask ? 1 : 0));
        if (new Set(hidden).size > 1) apart++;
      }
    }
    const share = positions.length / 16_000;
    assert.ok(share > 0.14 && share < 0.16 && Math.abs(words / 6_000 - 0.15) < 0.015, `${share} ${words}`);
    assert.ok(apart > words / 4, `${apart} of ${words} words are not hidden as a whole`);
    assert.deepEqual(
      maskTokens(ids, tokenizer.special, tokenizer.vocabSize, { ...options, wordStarts: wordStarts.fill(1) }),
      maskTokens(ids, tokenizer.special, tokenizer.vocabSize, options),
    );
  });
  it("is a function of seed, step, shard and place", () => {
    const first = maskTokens(ids, tokenizer.special, tokenizer.vocabSize, options);
    assert.deepEqual(maskTokens(ids, tokenizer.special, tokenizer.vocabSize, options), first);
    for (const other of [{ step: 4 }, { shard: 2 }, { seed: seedFrom(9) }]) {
      assert.notDeepEqual(
        maskTokens(ids, tokenizer.special, tokenizer.vocabSize, { ...options, ...other }).positions,
        first.positions,
      );
    }
    const short = maskTokens(ids.slice(0, 100), tokenizer.special, tokenizer.vocabSize, options);
    assert.deepEqual(
      [...short.positions],
      [...first.positions].filter((at) => at < 100),
    );
  });
});

/** Tokens of each row. */
function rowLengths({ offsets }: { readonly offsets: Int32Array }): number[] {
  return Array.from(offsets.subarray(1), (end, row) => end - offsets[row]!);
}

/** Padding as a share of all tokens computed, 0 to 1, when each shard is as long as its longest row. */
function paddingShare(plan: readonly Int32Array[], lengths: ArrayLike<number>, shards = 1): number {
  let real = 0;
  let computed = 0;
  for (const batch of plan) {
    for (const rows of shardBatch(batch, lengths, shards)) {
      if (rows.length === 0) continue;
      computed += rows.length * paddedLength(lengths[rows[rows.length - 1]!]!);
      for (const row of rows) real += lengths[row]!;
    }
  }
  return computed === 0 ? 0 : 1 - real / computed;
}
