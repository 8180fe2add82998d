/**
 * Verbs that answer and end, in real processes on a tiny table: what they print, where, and every exit code.
 * @concurrent
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Commands, jsonLines, refuses, SMALL, TINY, type Failure } from "./command.ts";

interface Answer {
  readonly version: string;
  readonly text: string;
  readonly label: string;
  readonly top: readonly unknown[];
}

describe("the command line", () => {
  const commands = new Commands();
  const store = commands.path("store");
  let version = "";
  after(() => {
    commands[Symbol.dispose]();
  });

  before(async () => {
    const { code, stdout, stderr } = await commands.run([
      "train",
      "--data",
      TINY,
      "--out",
      store,
      "--threads",
      "2",
      "--seed",
      "3",
      ...SMALL,
      "--json",
    ]);
    assert.equal(code, 0, stderr);
    [{ version } = { version: "" }] = jsonLines<{ version: string }>(stdout);
    assert.match(version, /^[0-9a-f]{64}$/);
    assert.match(stderr, /classify: epoch 6 of 6 done, validation accuracy/);
  });

  test("a printed recipe has every setting; flags go before it; threads do not change the version", async () => {
    const printed = await commands.run([
      "train",
      "--data",
      TINY,
      "--out",
      store,
      "--threads",
      "2",
      "--seed",
      "99",
      ...SMALL,
      "--print-recipe",
    ]);
    const file = commands.path("recipe.json");
    writeFileSync(file, printed.stdout);
    const { recipe, run } = JSON.parse(printed.stdout) as {
      recipe: { seed: number; phases: readonly { weight_decay: number }[] };
      run: object;
    };
    assert.equal(recipe.seed, 99);
    assert.equal(recipe.phases[1]?.weight_decay, 0.01);
    assert.deepEqual(run, {
      data: TINY,
      out: store,
      alias: "champion",
      threads: 2,
      resume: false,
      checkpoint_seconds: 30,
      baseline: false,
    });
    const trained = await commands.run(["train", "--recipe", file, "--seed", "3", "--threads", "1", "--json"]);
    assert.deepEqual(
      [trained.code, jsonLines<{ version: string }>(trained.stdout)[0]?.version],
      [0, version],
      trained.stderr,
    );
  });

  test("ls and eval", async () => {
    const [listed, evaluated] = await Promise.all([
      commands.run(["ls", store, "--json"]),
      commands.run(["eval", store, "--data", TINY, "--json", "--threads", "1"]),
    ]);
    const [listing] = jsonLines<{ versions: { name: string; aliases: string[] }[] }>(listed.stdout);
    assert.deepEqual(
      listing?.versions.map(({ name, aliases }) => [name, aliases]),
      [[version, ["champion"]]],
    );
    const [report] = jsonLines<{ accuracy: { total: number; low: number; value: number; high: number } }>(
      evaluated.stdout,
    );
    assert.equal(report?.accuracy.total, 60);
    assert.ok(report.accuracy.low <= report.accuracy.value && report.accuracy.value <= report.accuracy.high);
  });

  test("predict: texts, a table, lines from standard input; the same answers in each form", async () => {
    const texts = ["where is my \u001b[31mcard\u001b[0m", "how do I change the login, or the profile"];
    writeFileSync(
      commands.path("texts.jsonl"),
      texts.map((text) => `${JSON.stringify({ question: text })}\n`).join(""),
    );
    const [json, csv, lines, people] = await Promise.all([
      commands.run(["predict", store, ...texts, "--json", "--threads", "1"]),
      commands.run(["predict", store, "--file", commands.path("texts.jsonl"), "--csv", "--threads", "1"]),
      commands.run(
        ["predict", store, "--file", "-", "--json", "--top", "1", "--threads", "1"],
        `${texts[0]}\r\n\n${texts[1]}`,
      ),
      commands.run(["predict", store, texts[0]!, "--threads", "1"]),
    ]);
    const answers = jsonLines<Answer>(json.stdout);
    assert.deepEqual(
      answers.map(({ text, version: from, top }) => [text, from, top.length]),
      texts.map((text) => [text, version, 3]),
    );
    assert.deepEqual(
      jsonLines<Answer>(lines.stdout).map(({ label, top }) => [label, top.length]),
      answers.map(({ label }) => [label, 1]),
    );
    assert.deepEqual(
      csv.stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.split(",")[0]),
      ["text", texts[0], '"how do I change the login'],
    );
    assert.match(csv.stdout, new RegExp(`,${answers[1]!.label},0\\.\\d+,false,${version}\n$`));
    assert.ok(
      !people.stdout.includes("\u001b") && people.stdout.includes("\\u001b[31m"),
      "a text does not control the terminal",
    );
  });

  test("an answer, then something that cannot be answered: the work failed", async () => {
    const { code, stdout, stderr } = await commands.run(
      ["predict", store, "--file", "-", "--json", "--threads", "1"],
      `${"where is my card\n".repeat(40)}${"x".repeat(2_000_000)}\n`,
    );
    assert.equal(code, 1, stderr);
    const parts = jsonLines<Answer | Failure>(stdout);
    assert.ok("label" in parts[0]! && "error" in parts.at(-1)!, stdout.slice(-300));
  });

  test("a version with a changed byte: the work failed", async () => {
    const copy = commands.path("damaged");
    await commands.run(["publish", copy, join(store, "versions", version)]);
    const weights = join(copy, "versions", version, "model.safetensors");
    const bytes = readFileSync(weights);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(weights, bytes);
    const { code, stdout, stderr } = await commands.run(["predict", copy, "hello", "--json"]);
    assert.equal(code, 1);
    assert.equal(jsonLines<Failure>(stdout)[0]?.error.code, "VERSION_CORRUPT");
    assert.match(stderr, /^error: .*model\.safetensors.* \[VERSION_CORRUPT\]\n$/);
  });

  test("all of that has written nothing into the home, and so nothing of the runtime's maker", () => {
    assert.deepEqual(commands.filesAtHome(), []);
  });

  test("what is refused before any work ends with 2, says why, and leaves nothing behind", async () => {
    const greetings = Array.from({ length: 20 }, (_, day) => `good morning on day ${day},a\n`);
    writeFileSync(commands.path("one.csv"), `text,label\n${greetings.join("")}`);
    writeFileSync(
      commands.path("bad.json"),
      JSON.stringify({ recipe: { pretrain: { epoch: 3 } }, run: { thread: 2 } }),
    );
    writeFileSync(commands.path("twice.json"), '{"recipe": {"seed": 1,"seed": 2}}');
    const out = ["--out", commands.path("unused")];
    await refuses(commands, [
      [["train", "--data", commands.path("none.csv"), ...out], "NOT_FOUND", /no such file/],
      [["train", "--data", TINY, "--text", "txet", ...out], "DATA_INVALID", /did you mean "text"/],
      [["train", "--data", commands.path("one.csv"), ...out], "DATA_INVALID", /two classes/],
      [
        ["train", "--recipe", commands.path("bad.json"), ...out],
        "OPTION_INVALID",
        /bad\.json is not valid.*recipe\.phases\[0\].*run.*thread/,
      ],
      [["train", "--recipe", commands.path("twice.json"), ...out], "OPTION_INVALID", /"seed" stands twice.*column 23/],
      [["train", "--unknown"], "OPTION_INVALID", /unknown option/],
    ]);
    assert.equal(existsSync(commands.path("unused")), false);
  });
});
