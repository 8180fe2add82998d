/** The command as a user runs it: real processes, a tiny table, every exit code. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { recipeJsonSchema } from "../../src/edge/api/recipe-file.ts";

const ROOT = join(import.meta.dirname, "../..");
const BIN = join(ROOT, "bin/lockstep.mjs");
const TINY = join(import.meta.dirname, "tiny.csv");
const folder = mkdtempSync(join(tmpdir(), "lockstep-cli-"));
const store = join(folder, "store");
const SMALL = ["model.hidden_size=16", "model.num_attention_heads=2", "model.intermediate_size=32", "tokenizer.vocab_size=256", "pretrain.epochs=1", "finetune.epochs=6", "finetune.learning_rate=0.01", "max_tokens=24"].flatMap((text) => ["--set", text]);
after(() => { rmSync(folder, { recursive: true, force: true }); });

interface Outcome { readonly code: number | null; readonly stdout: string; readonly stderr: string }

function run(args: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [BIN, ...args], { env: { ...process.env, LOCKSTEP_HOME: join(folder, "home") }, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => { stdout += chunk.toString(); });
  child.stderr.on("data", (chunk: Buffer) => { stderr += chunk.toString(); });
  return new Promise((resolve) => { child.on("close", (code) => { resolve({ code, stdout, stderr }); }); });
}

describe("the command line", () => {
  test("train, ls, predict, eval and verify on a user's table; standard output is JSON alone", async () => {
    const trained = await run(["train", "--data", TINY, "--out", store, "--threads", "2", "--seed", "3", ...SMALL, "--json"]);
    assert.equal(trained.code, 0, trained.stderr);
    const { version } = JSON.parse(trained.stdout) as { version: string };
    assert.match(version, /^[0-9a-f]{64}$/);
    const again = await run(["train", "--data", TINY, "--out", store, "--threads", "1", "--seed", "3", ...SMALL, "--json"]);
    assert.equal((JSON.parse(again.stdout) as { version: string }).version, version, "another number of threads publishes the same version");

    const listed = JSON.parse((await run(["ls", store, "--json"])).stdout) as { versions: { name: string; aliases: string[] }[] };
    assert.deepEqual(listed.versions.map(({ name, aliases }) => [name, aliases]), [[version, ["champion"]]]);
    const predicted = await run(["predict", store, "where is my card", "what is the weather", "--json", "--threads", "1"]);
    assert.equal(predicted.stdout.trim().split("\n").length, 2);
    for (const line of predicted.stdout.trim().split("\n")) assert.equal((JSON.parse(line) as { version: string }).version, version);
    const evaluated = JSON.parse((await run(["eval", store, "--data", TINY, "--json", "--threads", "1"])).stdout) as { accuracy: { total: number } };
    assert.equal(evaluated.accuracy.total, 60);
    const verified = await run(["verify", store, "--executor", "native", "--quick"]);
    assert.equal(verified.code, 0, verified.stderr);
    assert.match(verified.stdout, /caught/);
  });

  test("what is refused before any work ends with 2, and says why", async () => {
    const oneClass = join(folder, "one.csv");
    writeFileSync(oneClass, "text,label\nhello there,a\ngood morning,a\n");
    for (const [args, message] of [
      [["train", "--data", join(folder, "none.csv")], /no such file/],
      [["train", "--data", TINY, "--text", "nothing"], /nothing/],
      [["train", "--data", oneClass, "--out", join(folder, "unused")], /two classes/],
      [["train", "--data", TINY, "--set", "pretrain.epoch=3"], /epoch/],
      [["train", "--unknown"], /unknown option/],
      [["train"], /--data/],
      [["frobnicate"], /unknown command/],
      [["predict", join(folder, "no-store"), "hello"], /./],
    ] as const) {
      const { code, stderr } = await run(args);
      assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
      assert.match(stderr, message);
    }
  });

  test("an error with --json is JSON too", async () => {
    const { code, stdout } = await run(["train", "--data", join(folder, "none.csv"), "--json"]);
    assert.equal(code, 2);
    assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, "NOT_FOUND");
  });
});

test("docs/recipe.schema.json is the schema that train uses", () => {
  assert.equal(readFileSync(join(ROOT, "docs/recipe.schema.json"), "utf8"), recipeJsonSchema());
});
