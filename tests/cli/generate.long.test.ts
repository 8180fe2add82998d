/** `generate` and `chat` as a user runs them, with stories260K as a folder on disk. About 15 seconds. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { storiesFiles, storiesGguf } from "../generate/stories-files.ts";
import { Commands } from "./command.ts";

const commands = new Commands();
after(() => commands[Symbol.dispose]());
const folder = commands.path("stories");
mkdirSync(folder);
for (const [name, bytes] of storiesFiles()) writeFileSync(join(folder, name), bytes);
const PROMPT = "Once upon a time";

describe("generate", () => {
  it("writes the answer to standard output, the same one each time, and to a program as JSON", async () => {
    const args = ["generate", folder, PROMPT, "--max-tokens", "40", "--seed", "words", "--top-p", "0.9"];
    const [first, second, json] = await Promise.all([args, args, [...args, "--json"]].map((one) => commands.run(one)));
    assert.deepEqual([first!.code, second!.stdout], [0, first!.stdout]);
    assert.match(first!.stderr, /^5 tokens read, 40 written in /);
    const { answers, usage } = JSON.parse(json!.stdout) as {
      answers: { text: string; digest: string }[];
      usage: object;
    };
    assert.equal(`${answers[0]!.text}\n`, first!.stdout);
    assert.deepEqual(usage, { promptTokens: 5, answerTokens: 40, reusedTokens: 0 });
  });

  it("the known text, with another executor and several answers", async () => {
    const greedy = ["generate", folder, PROMPT, "--temperature", "0", "--max-tokens", "24"];
    const [native, portable, many] = await Promise.all(
      [greedy, [...greedy, "--executor", "portable"], [...greedy, "--n", "2"]].map((one) => commands.run(one)),
    );
    assert.match(native!.stdout, /^, there was a little girl named Lily\. She loved/);
    assert.equal(portable!.stdout, native!.stdout);
    assert.equal(many!.stdout, `1: ${native!.stdout}2: ${native!.stdout}`);
  });

  it("a GGUF file and a store's version as the folder that they were made of", async () => {
    const [file, store] = [commands.path("stories.gguf"), commands.path("store")];
    writeFileSync(file, storiesGguf());
    const published = await commands.run(["publish", store, folder]);
    assert.equal(published.code, 0, published.stderr);
    const digests = await Promise.all(
      [folder, file, store].map(async (model) => {
        const { stdout, stderr } = await commands.run(["generate", model, PROMPT, "--max-tokens", "30", "--json"]);
        assert.match(stdout, /digest/, stderr);
        return (JSON.parse(stdout) as { answers: { digest: string }[] }).answers[0]!.digest;
      }),
    );
    assert.equal(new Set(digests).size, 1);
  });

  it("refuses before any work, by name", async () => {
    const refusals: [string[], RegExp][] = [
      [[folder, PROMPT, "--max-tokens", "600"], /context of 512.*INPUT_TOO_LARGE/],
      [[folder, PROMPT, "--top-p", "0"], /topP.*OPTION_INVALID/],
      [[folder, PROMPT, "--chat"], /chat_template.*TOKENIZER_INVALID/],
      [[folder], /missing required argument 'prompt'/],
      [[commands.path("nowhere"), PROMPT], /NOT_FOUND/],
      [[folder, PROMPT, "--temperature", "warm"], /expected a number/],
    ];
    const ends = await Promise.all(refusals.map(([args]) => commands.run(["generate", ...args])));
    for (const [i, { code, stdout, stderr }] of ends.entries()) {
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.match(stderr, refusals[i]![1]);
    }
  });
});

describe("chat", () => {
  it("answers lines, follows commands, and remembers as it is told", async () => {
    writeFileSync(join(folder, "chat_template.jinja"), "{% for m in messages %}{{ m.content }}\n{% endfor %}");
    const lines = [
      "Lily went out.",
      "/history",
      "/undo",
      "/history",
      "/nope",
      "/system Be kind.",
      "Tom",
      "/help",
      "/quit",
      "x",
    ];
    const args = ["chat", folder, "--max-tokens", "12", "--temperature", "0"];
    const { code, stdout, stderr } = await commands.run(args, lines.join("\n"));
    assert.equal(code, 0, stderr);
    const [first, second, rest] = stdout.split("\n");
    assert.ok(first !== "" && second !== "" && rest === "", stdout);
    assert.equal(stderr.split("user: Lily went out.").length, 2); // once, before it was undone
    assert.match(stderr, /there is no \/nope[^]*\/system TEXT/);
    const direct = await commands.run(["generate", folder, "Tom", "--system", "Be kind.", ...args.slice(2)]);
    assert.equal(direct.stdout, `${second}\n`);
    const ended = await commands.run(args, "Tom"); // the input ends without a command
    assert.equal(ended.code, 0);
  });
});
