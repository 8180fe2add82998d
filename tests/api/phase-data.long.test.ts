/** Tables of phases and rows of a program: what the recipe records and what decides the version. About ten seconds. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { readRecipeFile, train, trainArguments, type TrainProgress } from "../../src/edge/api/index.ts";
import { ABSTRACTS, DomainFiles, LABELLED, RATES, SIZES } from "./domain-files.ts";

const files = new DomainFiles();
after(() => {
  files[Symbol.dispose]();
});
const { folder, labelled: rowsFile, abstracts: texts } = files;
const PHASES = { pretrain: RATES, finetune: RATES };
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
  const recipe = files.file(
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
