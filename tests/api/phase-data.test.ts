/**
 * Tables of phases and rows of a program through the public door: what the recipe records, what decides the version,
 * and what is refused, by the phase's name.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import {
  isLockstepError,
  readRecipeFile,
  train,
  trainArguments,
  type TrainInput,
  type TrainProgress,
} from "../../src/edge/api/index.ts";
import { recipeHash, resolveRecipe } from "../../src/work/train/index.ts";
import { sentences } from "../train/prepared.ts";
import { TINY } from "../stress/tiny-store.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-phases-"));
after(() => {
  rmSync(folder, { recursive: true, force: true });
});
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const { data: _, pretrain: __, finetune: ___, ...SIZES } = TINY;
const RATES = { epochs: 1, batch_size: 16, shards: 2, learning_rate: 5e-3 } as const;
const PHASES = { pretrain: RATES, finetune: RATES };
const LABELLED = sentences(40).map(({ words, n }) => ({ text: words.join(" "), label: n % 2 === 0 ? "even" : "odd" }));
const ABSTRACTS = sentences(24).map(({ n }) => `The myocardial infarction number ${n} was treated.`);
const rowsFile = file("rows.jsonl", LABELLED.map((row) => `${JSON.stringify(row)}\n`).join(""));
const texts = file("abstracts.txt", ABSTRACTS.join("\n\n"));
const out = join(folder, "store");

async function* given<Row>(rows: readonly Row[]): AsyncGenerator<Row> {
  for (const row of rows) yield await Promise.resolve(row);
}

test("texts of a domain, then labels: both are in the recipe, in the vocabulary and in what is said", async () => {
  const events: TrainProgress[] = [];
  const input = { ...SIZES, ...PHASES, data: rowsFile, domain_texts: texts };
  const made = await train(input, { out, threads: 1, onProgress: (event) => events.push(event) });
  const [domain, labels] = made.recipe.phases;
  const { sha256, ...recorded } = domain!.data!;
  assert.deepEqual(recorded, { format: "text", text: "text", validation_fraction: 0.1 });
  assert.match(sha256!, /^[0-9a-f]{64}$/);
  assert.ok(!("data" in labels!));
  assert.deepEqual(
    events.flatMap((event) => (event.kind === "table" ? [[event.phases, event.path]] : [])),
    [
      [["1/2 masked-lm"], texts],
      [["2/2 classify"], rowsFile],
    ],
  );
  assert.match(readFileSync(join(made.folder, "vocab.txt"), "utf8"), /^(##)?(myo|inf|trea|numb)/m);

  // The same from a program, and from the recipe that the version kept, held to its hashes.
  const phases = [
    { objective: "masked-lm", ...RATES, data: { data: given(ABSTRACTS.map((text) => ({ text }))) } },
  ] as const;
  const rows = await train(
    { ...SIZES, data: given(LABELLED), phases: [...phases, { objective: "classify", ...RATES }] },
    { out, threads: 2 },
  );
  assert.equal(rows.recipe.data!.sha256, made.recipe.data!.sha256);
  assert.equal(rows.weightsSha256, made.weightsSha256, "the same texts, from a file or from rows");
  assert.notEqual(rows.recipeSha256, made.recipeSha256, "another format is another recipe");
  const recipe = file(
    "recipe.json",
    JSON.stringify({ recipe: made.recipe, run: { data: rowsFile, phases: { 0: { data: "abstracts.txt" } } } }),
  );
  const again = await trainArguments(await readRecipeFile(recipe));
  assert.equal((await train(again.input, { out, threads: 2 })).version, made.version);
  writeFileSync(texts, `${ABSTRACTS.join("\n\n")}\n`);
  await assert.rejects(train(again.input, { out }), {
    code: "DATA_INVALID",
    message: /^1\/2 masked-lm: .*abstracts\.txt is not the file that the recipe was made for/,
  });
});

test("what is wrong with a phase's own table is said with the phase", async () => {
  const empty = file("empty.txt", "\n\n");
  const table = file("table.csv", "body_text,label\na,x\n");
  const cases: readonly (readonly [Partial<TrainInput>, string, RegExp])[] = [
    [{ domain_texts: join(folder, "none.txt") }, "NOT_FOUND", /^1\/2 masked-lm: cannot open .*none\.txt: no such file/],
    [{ domain_texts: empty }, "DATA_INVALID", /^1\/2 masked-lm: .*empty\.txt is empty/],
    [{ domain_texts: table }, "DATA_INVALID", /^1\/2 masked-lm: none of the columns of .*its columns are "body_text"/],
    [{ domain_texts: ["text"] as never }, "DATA_INVALID", /^1\/2 masked-lm: row 1 of domain_texts is of type string/],
    [{ domain_texts: [{ text: "alone" }] }, "DATA_INVALID", /^1\/2 masked-lm: domain_texts leaves 1 texts/],
    [
      { pretrain: { data: { data: table, text: "body" } } },
      "DATA_INVALID",
      /^1\/2 .* has no column "body" \(its columns are/,
    ],
    [
      { pretrain: { data: { data: table, label: "label" } } },
      "OPTION_INVALID",
      /^1\/2 .*data\.label is named, and the/,
    ],
    [{ pretrain: { data: { data: table, columns: { score: "a" } } } }, "OPTION_INVALID", /^1\/2 .*columns\.score is/],
    [{ finetune: { data: texts } }, "OPTION_INVALID", /^phases\.1\.data: the last phase reads the training/],
    [{ pretrain: { epochs: 0, data: texts } }, "OPTION_INVALID", /^phases\.0\.data is named, and the phase has no ep/],
    [{ pretrain: { epochs: 0 }, domain_texts: texts }, "OPTION_INVALID", /^domain_texts is named, and no phase before/],
    [{ pretrain: { data: { file: texts } as never } }, "OPTION_INVALID", /^phases\.0\.data is not valid.*"file"/],
    [{ data: LABELLED, label: "label" }, "OPTION_INVALID", /^label is named, and data is rows, whose fields are text,/],
    [{ data: LABELLED, sha256: "0".repeat(64) }, "DATA_INVALID", /^data is not the rows that the recipe was made for/],
    [{ data: LABELLED.map(({ text }) => ({ text })) as never }, "DATA_INVALID", /^data has no column "label"/],
    [{ data: LABELLED, test: [{ text: "a", label: "none" }] }, "DATA_INVALID", /^row 1 of test has the label "none"/],
  ];
  for (const [change, code, message] of cases) {
    const thrown: unknown = await train({ ...SIZES, data: rowsFile, ...change }, { out }).catch(
      (error: unknown) => error,
    );
    assert.ok(isLockstepError(thrown), String(thrown));
    assert.match(thrown.message, message);
    assert.equal(thrown.code, code, thrown.message);
  }
});

test("a recipe file: paths beside it, tables by the places of phases, and where each has to be said", async () => {
  const own = { phases: [{ objective: "masked-lm", data: { sha256: "0".repeat(64) } }, { objective: "classify" }] };
  const argumentsOf = async (content: object) =>
    await trainArguments(await readRecipeFile(file("recipe.json", JSON.stringify(content))));
  const { input } = await argumentsOf({
    recipe: own,
    run: { data: rowsFile, domain_texts: "abstracts.txt", format: "jsonl", phases: {} },
  });
  assert.deepEqual(input.phases, [
    { objective: "masked-lm", data: { sha256: "0".repeat(64), data: input.domain_texts } },
    { objective: "classify" },
  ]);
  assert.deepEqual([input.format, resolve(String(input.domain_texts))], ["jsonl", texts]);
  await assert.rejects(argumentsOf({ recipe: own, run: { data: rowsFile } }), {
    code: "OPTION_INVALID",
    message: /phase at 0 has texts of its own; say where .*--phase 0\.data=FILE/,
  });
  await assert.rejects(argumentsOf({ recipe: own, run: { data: rowsFile, phases: { 2: { data: "x" } } } }), {
    message: /run\.phases\.2: the recipe has no phase/,
  });
  await assert.rejects(argumentsOf({ run: { data: rowsFile, phases: { first: { data: "x" } } } }), {
    code: "OPTION_INVALID",
    message: /place of a phase/,
  });
});

test("an encoder has a phase for texts of a domain by itself; recipes without such tables keep their hashes", () => {
  const from = "0".repeat(64);
  const epochs = (adapts: boolean) => resolveRecipe({ from }, { adapts }).phases.map((phase) => phase.epochs);
  assert.deepEqual(
    [epochs(false), epochs(true)],
    [
      [0, 5],
      [3, 5],
    ],
  );
  assert.equal(recipeHash(resolveRecipe({})), "b35a776fa25642fca54e4ed30b20fc9e6cce9c33d77201cd57144380dee4d6cb");
  const data = { sha256: "1".repeat(64), text: "text", label: "label" };
  assert.equal(
    recipeHash(resolveRecipe({ from, task: "token-classify", data })),
    "4666db773472db740839de88487fcd391a39d7bdcd4d9b7405782877a72a1722",
  );
});

test("a run on rows goes on with the same rows, and not with others", async () => {
  const store = join(folder, "interrupted");
  const input = { ...SIZES, ...PHASES, domain_texts: ABSTRACTS.map((text) => ({ text })) };
  const whole = await train({ ...input, data: given(LABELLED) }, { out: join(folder, "whole"), threads: 1 });
  const controller = new AbortController();
  const onProgress = (event: TrainProgress): void => {
    if (event.kind === "epoch" && event.phase === "1/2 masked-lm") controller.abort();
  };
  const stopped = train(
    { ...input, data: given(LABELLED) },
    { out: store, threads: 1, signal: controller.signal, onProgress },
  );
  await assert.rejects(stopped, { code: "CANCELLED" });
  const others = [...LABELLED.slice(1), LABELLED[0]!];
  await assert.rejects(train({ ...input, data: given(others) }, { out: store, threads: 1, resume: true }), {
    code: "OPTION_INVALID",
    message: /^data is not what the run that is to be gone on with was trained on: its SHA-256 is [0-9a-f]{64} and was/,
  });
  const domain_texts = ABSTRACTS.slice(1).map((text) => ({ text }));
  await assert.rejects(train({ ...input, domain_texts, data: LABELLED }, { out: store, threads: 1, resume: true }), {
    message: /^phases\.0\.data is not what the run/,
  });
  const events: TrainProgress[] = [];
  const resumed = await train(
    { ...input, data: given(LABELLED) },
    { out: store, threads: 1, resume: true, onProgress: (event) => events.push(event) },
  );
  assert.ok(events.some(({ kind }) => kind === "resumed"));
  assert.equal(resumed.version, whole.version);
});
