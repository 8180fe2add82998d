/**
 * docs/explorer.md is true: in a project of its own, where this package is installed, its code is what the example
 * files say, its changes apply, its commands print what it shows ("…" stands for lines left out; seconds differ), and
 * its test passes. @concurrent
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const root = join(import.meta.dirname, "..", "..");
const project = mkdtempSync(join(tmpdir(), "lockstep-guide-"));
after(() => {
  rmSync(project, { recursive: true });
});

const page = readFileSync(join(root, "docs", "explorer.md"), "utf8");
const blocks = [...page.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language, text]) => ({
  language: language!,
  text: text!,
}));

const sources = (): string[] => readdirSync(project).filter((name) => name.endsWith(".ts"));
const source = (name: string): string => readFileSync(join(project, name), "utf8");

function node(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    // The test runner's own variables would make a runner started here a part of this one.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("NODE_")));
    execFile(process.execPath, args, { cwd: project, env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout, stderr });
    });
  });
}

/** What a command may print, as the page shows it. */
function pattern(shown: string): RegExp {
  const lines = shown
    .trimEnd()
    .split("\n")
    .map((line) => {
      if (line.trim() === "…") return "(?:.*\\n)*";
      return `${line.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&").replace(/in \d+\\\.\d s/g, "in [\\d.]+ s")}\\n`;
    });
  return new RegExp(`^${lines.join("")}$`);
}

function apply(diff: string): void {
  const side = (sign: string): string =>
    diff
      .split("\n")
      .filter((line) => line.startsWith(sign))
      .map((line) => `${line.slice(1)}\n`)
      .join("");
  const found = sources().filter((name) => source(name).split(side("-")).length === 2);
  assert.equal(found.length, 1, `a file with these lines, once:\n${side("-")}`);
  writeFileSync(
    join(project, found[0]!),
    source(found[0]!).replace(side("-"), () => side("+")),
  );
}

async function runCommand(text: string): Promise<void> {
  const [, command, shown] = /^\$ lockstep (.*)\n([^]*)$/.exec(text)!;
  const ran = await node([join(root, "bin", "lockstep.mjs"), ...command!.split(" ")]);
  assert.match(ran.stdout, pattern(shown!), `lockstep ${command}\n${ran.stderr}`);
  assert.equal(ran.code, shown!.includes("FAILED") ? 1 : 0);
}

test("the page's commands, code, changes and test", async () => {
  cpSync(join(root, "examples", "explore"), project, { recursive: true });
  mkdirSync(join(project, "node_modules"));
  symlinkSync(root, join(project, "node_modules", "lockstep"), "dir");
  writeFileSync(join(project, "package.json"), '{ "type": "module" }');
  const kinds = new Map<string, number>();
  for (const { language, text } of blocks) {
    kinds.set(language, (kinds.get(language) ?? 0) + 1);
    if (language === "console") await runCommand(text);
    else if (language === "diff") apply(text);
    else if (text.includes("node:test")) writeFileSync(join(project, "job-queue.test.ts"), text);
    else
      assert.ok(
        sources().some((name) => source(name).includes(text)),
        `not in the examples:\n${text}`,
      );
  }
  assert.deepEqual([...kinds.keys()].sort(), ["console", "diff", "ts"]);
  const tested = await node(["--conditions=lockstep-source", "--test", "job-queue.test.ts"]);
  assert.equal(tested.code, 0, tested.stdout + tested.stderr);
  assert.match(tested.stdout, /pass 1\b/);
});
