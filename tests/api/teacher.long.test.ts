/** `train` with a teacher: what is recorded, refused and kept; versions learn from versions. About 15 s. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadModel, train, type TrainInput, type TrainOptions, type TrainProgress } from "../../src/edge/api/index.ts";
import { TABLE, TINY, tinyStore, type TinyStore } from "../stress/tiny-store.ts";

const { pretrain: _pretrain, finetune: _finetune, tokenizer, ...SIZES } = TINY;
const RATES = { epochs: 2, batch_size: 16, shards: 2, learning_rate: 5e-3 } as const;
const WORDS = { ...SIZES, tokenizer, text: "question", task: "masked-lm" } as const satisfies TrainInput;
let tiny: TinyStore;
let teacher: string;

before(async () => {
  tiny = await tinyStore([5]);
  teacher = join(tiny.store, "versions", tiny.versions[0]!);
});
after(async () => {
  await tiny[Symbol.asyncDispose]();
});

let stores = 0;
const trained = (input: TrainInput, options: TrainOptions = {}) =>
  train(input, { threads: 2, out: join(tiny.folder, `out-${stores++}`), ...options });

test("classes: the teacher is in the recipe, and threads and interruptions change nothing", async () => {
  const student: TrainInput = { ...SIZES, tokenizer: { vocab_size: 120 }, seed: 9, teacher };
  const phases = [{ objective: "classify" as const, ...RATES }];
  const plain = await trained({ ...student, phases }, { threads: 1 });
  const [name] = tiny.versions;
  assert.equal(plain.recipe.teacher, name);
  assert.deepEqual(
    plain.recipe.phases.map((phase) => "distillation" in phase && phase.distillation),
    [{ temperature: 2, weight: 0.5 }],
    "with a teacher and no word of it, the last phase learns from it",
  );
  assert.equal((await trained({ ...student, phases, teacher: tiny.store })).stateSha256, plain.stateSha256);
  const other = await trained({ ...student, phases: [{ ...phases[0]!, distillation: { weight: 0.1 } }] });
  assert.notEqual(other.stateSha256, plain.stateSha256);

  const out = join(tiny.folder, "interrupted");
  const stop = new AbortController();
  const onProgress = (event: TrainProgress) => {
    if (event.kind === "step" && event.step === 2) stop.abort();
  };
  await assert.rejects(trained({ ...student, phases }, { out, signal: stop.signal, onProgress }), {
    code: "CANCELLED",
  });
  const kinds: string[] = [];
  const again = await trained(
    { ...student, phases },
    { out, resume: true, onProgress: ({ kind }) => void kinds.push(kind) },
  );
  assert.equal(again.stateSha256, plain.stateSha256);
  assert.ok(kinds.includes("resumed") && !kinds.includes("teacher"), "what the teacher said was kept");
});

test("what cannot be learned is refused by name", async () => {
  const phases = [{ objective: "classify" as const, ...RATES }];
  const few = join(tiny.folder, "few.csv");
  const lines = readFileSync(TABLE, "utf8").trimEnd().split("\n");
  const [first, ...rows] = lines;
  const label = rows[0]!.slice(rows[0]!.lastIndexOf(",") + 1);
  writeFileSync(few, [first, ...rows.map((row) => row.replace(`,${label}`, ",something new"))].join("\n"));
  await assert.rejects(trained({ ...SIZES, data: few, teacher, phases }), {
    code: "OPTION_INVALID",
    message: new RegExp(`it does not know "something new"; the data has no "${label}"`),
  });
  await assert.rejects(trained({ ...SIZES, phases: [{ ...phases[0]!, distillation: {} }] }), {
    code: "OPTION_INVALID",
    message: /phases\.0 \(classify\) learns from a teacher; say who it is/,
  });
  await assert.rejects(
    trained({
      ...SIZES,
      teacher,
      task: "score",
      columns: { score: "question" },
      phases: [{ objective: "regression" }],
    }),
    { code: "OPTION_INVALID", message: /there is a teacher, and no phase that learns from it/ },
  );
  await assert.rejects(
    trained({ ...SIZES, text: "question", teacher, phases: [{ objective: "embedding-distillation" }] }),
    {
      code: "OPTION_INVALID",
      message: /was made for classify and gives no vectors/,
    },
  );
});

test("tokens: a student from nothing has the teacher's, one with tokens of its own is refused", async () => {
  const phases = [{ objective: "masked-lm" as const, ...RATES }];
  const said = await trained({ ...WORDS, phases });
  const student = await trained({ ...WORDS, seed: 8, teacher: said.folder, phases });
  const vocabulary = (folder: string) => readFileSync(join(folder, "vocab.txt"), "utf8");
  assert.equal(vocabulary(student.folder), vocabulary(said.folder));
  assert.equal(student.recipe.teacher, said.version);
  const alone = await trained({ ...WORDS, seed: 8, teacher: said.folder, phases }, { threads: 1 });
  assert.equal(alone.stateSha256, student.stateSha256);
  const smaller = await trained({ ...WORDS, tokenizer: { vocab_size: 120 }, phases });
  await assert.rejects(trained({ ...WORDS, from: smaller.folder, teacher: said.folder, phases }), {
    code: "OPTION_INVALID",
    message: /cannot learn tokens \(masked-lm\) from .*: its token ".*" has the id .*, the student's .*; what it says/,
  });
});

test("vectors: those of a model that gives some, whatever its tokens and its width", async () => {
  const pairs = join(tiny.folder, "pairs.csv");
  const row = (_: unknown, n: number): string => `text number ${n},number ${n} is a text`;
  writeFileSync(pairs, ["text,second", ...Array.from({ length: 60 }, row)].join("\n"));
  const said = await trained({
    ...SIZES,
    tokenizer,
    data: pairs,
    task: "embed",
    phases: [{ objective: "contrastive", ...RATES }],
  });
  const narrow = { ...SIZES.model, hidden_size: 8 };
  const student = await trained({
    ...SIZES,
    model: narrow,
    data: pairs,
    teacher: said.folder,
    phases: [{ objective: "embedding-distillation", ...RATES, epochs: 10, distance: "squared-error" }],
  });
  assert.ok(
    student.figure!.name === "cosine to the teacher" && student.figure!.value > 0.5,
    String(student.figure?.value),
  );
  await using model = await loadModel(student.store, { threads: 1 });
  const { answers } = await model.ask("embed", ["text number 3"]);
  assert.equal(answers[0]!.embedding.length, 8, "the projection is left behind");
});
