/** Learning from feedback by many threads at once: nothing is lost, whatever the order and whoever dies. @concurrent */
import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalJson, sha256Hex } from "../../src/base/index.ts";
import type { LearnResult } from "../../src/edge/api/index.ts";
import type { Model } from "../../src/work/model/index.ts";
import type { Lineage } from "../../src/work/train/index.ts";
import { Caller, LABELS, openTiny, TEXTS, until } from "./support.ts";

const lineageOf = (model: Model): Lineage => model.description!["learned"] as Lineage;

test("updates by eight threads at once: none is lost, and the same order gives the same versions", async () => {
  const PER_THREAD = 2;
  await using model = await openTiny();
  const base = model.version;
  const callers = Array.from({ length: 8 }, () => new Caller(model.handle()));
  const results: (LearnResult & { readonly text: string; readonly label: string })[] = [];
  await Promise.all(
    callers.map(async (caller, thread) => {
      for (let turn = 0; turn < PER_THREAD; turn++) {
        const [text, label] = [
          `${TEXTS[(thread + turn) % TEXTS.length]!} ${thread}`,
          LABELS[(thread + 2 * turn) % LABELS.length]!,
        ];
        const report = await caller.order({ kind: "learn", text, label, options: { learningRate: 0.25 } });
        assert.ok(report.kind === "learned");
        results.push({ ...report.result, text, label });
      }
      await caller.close();
    }),
  );
  const total = 8 * PER_THREAD;
  const { published } = results.at(-1)!;
  results.sort((a, b) => a.updates - b.updates);
  assert.deepEqual(
    results.map(({ updates }) => updates),
    Array.from({ length: total }, (_, i) => i + 1),
    "each has its place",
  );
  results.forEach(({ parent }, i) => {
    assert.equal(parent, i === 0 ? base : results[i - 1]!.version);
  });
  assert.deepEqual([model.version, published], [results.at(-1)!.version, model.version]);
  const lineage = lineageOf(model);
  assert.deepEqual(
    [lineage.base, lineage.count, lineage.updates.map(({ parent }) => parent)],
    [base, total, results.map(({ parent }) => parent)],
  );
  assert.deepEqual(
    lineage.updates.map((update) => update.examples_sha256),
    results.map(({ text, label }) => sha256Hex(canonicalJson([{ text, label }]))),
  );
  assert.equal(
    lineage.digest,
    lineage.updates.reduce((digest, update) => sha256Hex(digest, "\n", canonicalJson(update)), base),
  );
  assert.ok(new Set(results.map((result) => result.published)).size < total, "some were published together");

  await using again = await openTiny();
  for (const { text, label, version } of results.slice(0, 4)) {
    const result = await again.learn([{ text, label }], { learningRate: 0.25 });
    assert.deepEqual([result.version, result.published], [version, version]);
  }
  const rest = await Promise.all(
    results.slice(4).map(({ text, label }) => again.learn([{ text, label }], { learningRate: 0.25 })),
  );
  assert.deepEqual(
    rest.map(({ version, published: at }) => [version, at]),
    results.slice(4).map(({ version }) => [version, model.version]),
    "together or one by one: the same versions",
  );
  assert.deepEqual(await again.classify(TEXTS), await model.classify(TEXTS));
  await until(() => model.loaded.length === 1 && again.loaded.length === 1);

  // the control: order is part of the answer, so the comparison above can fail
  await using otherwise = await openTiny();
  await Promise.all(
    [...results].reverse().map(({ text, label }) => otherwise.learn([{ text, label }], { learningRate: 0.25 })),
  );
  assert.notEqual(otherwise.version, model.version);
});

test("threads that die while they teach: every confirmed update is in the line, and the line is whole", async () => {
  await using model = await openTiny();
  const base = model.version;
  const taught: LearnResult[] = [];
  const callers = Array.from(
    { length: 4 },
    () =>
      new Caller(model.handle(), (report) => {
        if (report.kind === "taught") taught.push(report.result);
      }),
  );
  const teaching = callers.map((caller, thread) =>
    caller.order({ kind: "teach", text: TEXTS[thread]!, labels: LABELS }),
  );
  for (const [victim, after] of [
    [0, 2],
    [1, 4],
    [2, 6],
  ] as const) {
    await until(() => taught.length >= after);
    await callers[victim]!.terminate();
  }
  await until(() => taught.length >= 8);
  await callers[3]!.order({ kind: "stop" });
  await teaching[3];
  await callers[3]!.close();
  await until(() => model.handles === 0);
  const last = (await model.learn([{ text: "card", label: "card" }])).updates; // behind whatever the dead had begun
  const { updates, count } = lineageOf(model);
  assert.equal(count, last);
  const line = [...updates.map(({ parent }) => parent), model.version];
  assert.equal(line[0], base);
  for (const { parent, version, updates: place } of taught)
    assert.deepEqual([line[place - 1], line[place]], [parent, version]);
});
