/** Texts of a domain, then labels, as the guide says it: its command, flags, and rows from code. Twenty seconds. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { sentences } from "../train/prepared.ts";
import { Commands, ROOT, SMALL, refuses, set, TINY } from "./command.ts";

const commands = new Commands();
after(() => {
  commands[Symbol.dispose]();
});
const GUIDE = readFileSync(join(ROOT, "docs/guide.md"), "utf8");
const ABSTRACTS = sentences(30).map(({ n }) => `Patient ${n} had a myocardial infarction and was given heparin.`);
writeFileSync(commands.path("abstracts.txt"), ABSTRACTS.join("\n\n"));
writeFileSync(commands.path("lines.txt"), ABSTRACTS.join("\n"));
writeFileSync(commands.path("notes.csv"), ["note,kind", ...ABSTRACTS.map((text) => `${text},x`)].join("\n"));
writeFileSync(commands.path("labels.csv"), readFileSync(TINY));
const EPOCHS = set("pretrain.epochs=2", "finetune.epochs=1");

/** The block of the guide that has `text` in it, of a language. */
function block(language: string, text: string): string {
  const found = [...GUIDE.matchAll(/```(\w+)\n([^]*?)```/g)].find(
    ([, of, code]) => of === language && code!.includes(text),
  );
  assert.ok(found, `the guide has a block with ${text}`);
  return found[2]!;
}

async function trained([verb = "", ...args]: readonly string[]) {
  const { code, stdout, stderr } = await commands.run([verb, ...SMALL, ...args, "--json", "--threads", "1"]);
  assert.equal(code, 0, stderr);
  const { recipe, store, version } = JSON.parse(stdout) as {
    recipe: { phases: { objective: string; epochs: number; data?: Record<string, unknown> }[] };
    store: string;
    version: string;
  };
  return { phases: recipe.phases, store, version, stderr };
}

test("the guide's command: from an encoder, each paragraph a text, and both tables are told", async () => {
  await trained(["train", "--data", "labels.csv", "--out", "all-MiniLM-L6-v2", ...EPOCHS]);
  const [, ...args] = block("sh", "--domain-texts").trim().split(/\s+/);
  const { phases, store, version, stderr } = await trained([...args, ...EPOCHS]);
  assert.deepEqual(
    phases.map(({ objective, epochs, data }) => [objective, epochs, data?.["format"]]),
    [
      ["masked-lm", 2, "text"],
      ["classify", 1, undefined],
    ],
  );
  assert.match(
    stderr,
    /1\/2 masked-lm: \d+ texts of abstracts\.txt, and \d+ held out\n2\/2 classify: \d+ texts of labels/,
  );
  assert.match((await commands.run(["predict", store, "Where is my parcel?"])).stdout, /\S/);

  // The complete recipe file trains the same.
  const [verb = "", ...flags] = args;
  const { stdout } = await commands.run([verb, ...SMALL, ...flags, ...EPOCHS, "--print-recipe"]);
  writeFileSync(commands.path("recipe.json"), stdout);
  const again = await commands.run(["train", "--recipe", "recipe.json", "--json"]);
  assert.equal((JSON.parse(again.stdout) as { version: string }).version, version, again.stderr);
});

test("a phase's own table by --phase, and in the guide's recipe file; what is wrong names the phase", async () => {
  const flags = ["--phase", "0.data=notes.csv", "--phase", "0.text=note", ...EPOCHS];
  const { phases } = await trained(["train", "--data", "labels.csv", "--out", "other", ...flags]);
  const { sha256, ...data } = phases[0]!.data!;
  assert.deepEqual(data, { format: "csv", text: "note", validation_fraction: 0.2 });
  writeFileSync(commands.path("notes.json"), block("json", '"notes.csv"'));
  const file = await trained(["train", "--recipe", "notes.json", "--out", "other", ...EPOCHS]);
  assert.deepEqual(file.phases[0]!.data, { sha256, ...data });
  const lines = await trained([
    "train",
    "--data",
    "labels.csv",
    "--out",
    "other",
    "--domain-texts",
    "lines.txt",
    "--phase",
    "0.format=lines",
    ...EPOCHS,
  ]);
  assert.equal(lines.phases[0]!.data!["format"], "lines");
  await refuses(commands, [
    [
      ["train", "--data", "labels.csv", "--domain-texts", "none.txt"],
      "NOT_FOUND",
      /1\/2 masked-lm: cannot open none\.txt/,
    ],
    [
      ["train", "--data", "labels.csv", "--phase", "0.data=notes.csv"],
      "DATA_INVALID",
      /1\/2 masked-lm: none of the col/,
    ],
    [
      ["train", "--data", "labels.csv", "--phase", "1.data=notes.csv"],
      "OPTION_INVALID",
      /phases\.1\.data: the last phase/,
    ],
    [["train", "--data", "labels.csv", "--phase", "0.txt=note"], "OPTION_INVALID", /PLACE\.FIELD=VALUE/],
    [
      ["train", "--data", "labels.csv", "--phase", "0.text=note"],
      "OPTION_INVALID",
      /phase at 0 has texts of its own; say/,
    ],
    [["train", "--data", "labels.csv", "--format", "xml"], "OPTION_INVALID", /csv, jsonl/],
  ]);
});

test("the guide's rows from code", async () => {
  const code = block("ts", "questions()")
    .replace('"lockstep"', JSON.stringify(join(ROOT, "src/edge/api/index.ts")))
    .replace(
      "/* … */",
      ", ...Array.from({ length: 20 }, (_, n) => ({ text: `t ${n}`, second: `s ${n}`, score: n / 20 }))",
    );
  const database = `const database = {
    async *query() {
      for (let n = 0; n < 40; n++) yield { body: \`question number \${n}\`, intent: n % 2 === 0 ? "even" : "odd" };
    },
  };\n`;
  writeFileSync(commands.path("rows.ts"), database + code);
  const { code: exit, stderr } = await commands.shell(
    `"$0" --conditions=lockstep-source ${commands.path("rows.ts")}`,
    [],
  );
  assert.equal(exit, 0, stderr);
  assert.match((await commands.run(["ls", commands.path("models/mine")])).stdout, /champion/);
  assert.match((await commands.run(["ls", commands.path("models/pairs")])).stdout, /champion/);
});
