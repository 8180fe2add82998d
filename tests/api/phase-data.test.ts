/** Tables of phases and rows of a program: what is refused, by the phase's name, and what recipe files say of them. */
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { isLockstepError, readRecipeFile, train, trainArguments, type TrainInput } from "../../src/edge/api/index.ts";
import { recipeHash, resolveRecipe } from "../../src/work/train/index.ts";
import { DomainFiles, LABELLED, SIZES } from "./domain-files.ts";

const files = new DomainFiles();
after(() => {
  files[Symbol.dispose]();
});
const { folder, labelled: rowsFile, abstracts: texts } = files;
const out = join(folder, "store");

test("what is wrong with a phase's own table is said with the phase", async () => {
  const empty = files.file("empty.txt", "\n\n");
  const table = files.file("table.csv", "body_text,label\na,x\n");
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

test("the compiler knows the rows of a task, and so does the edge", async () => {
  // @ts-expect-error: a label is missing
  await assert.rejects(train({ data: [{ text: "far?" }] }, { out }), { message: /^data has no column "label"/ });
  // @ts-expect-error: so is a score
  await assert.rejects(train({ task: "score", data: [{ text: "far?" }] }, { out }), { message: /no column "score"/ });
  const phases = [{ objective: "contrastive" }] as const;
  const pairs = [{ text: "far?", second: "near?", id: 7 }];
  await assert.rejects(train({ task: "embed", phases, data: pairs }, { out }), {
    message: /^data leaves \d texts to train/,
  });
});

test("a recipe file: paths beside it, tables by the places of phases, and where each has to be said", async () => {
  const own = { phases: [{ objective: "masked-lm", data: { sha256: "0".repeat(64) } }, { objective: "classify" }] };
  const argumentsOf = async (content: object) =>
    await trainArguments(await readRecipeFile(files.file("recipe.json", JSON.stringify(content))));
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
