/**
 * The same bad input given to the command: exit code 2 where nothing was begun and 1 where the work failed, one line
 * that a stranger understands, never a stack trace, and the store as it was. Every message is printed, to be read.
 * @concurrent
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { ERROR_TABLE } from "../../src/base/index.ts";
import { list, loadModel, train, type ErrorCode, type StoreListing } from "../../src/edge/api/index.ts";
import { Commands, TINY as DATA, SMALL } from "../cli/command.ts";
import { BRIEF } from "../train/brief.ts";
import { changedCopy, FOLDERS, GGUFS, TABLES } from "./cases.ts";

const commands = new Commands();
const store = commands.path("store");
let listing: StoreListing;

before(async () => {
  await train(BRIEF, { out: store, threads: 1 });
  listing = await list(store);
});
after(() => {
  commands[Symbol.dispose]();
});

async function refused(
  t: TestContext,
  name: string,
  args: readonly string[],
  code: ErrorCode,
  message: RegExp,
): Promise<void> {
  const { code: exit, stdout, stderr } = await commands.run(args);
  const line = stderr.split("\n").find((text) => text.startsWith("error: ")) ?? "";
  t.diagnostic(`${args[0] ?? ""}, ${name}: ${line.replaceAll(commands.folder, "…")}`);
  assert.equal(exit, ERROR_TABLE[code].exit, `${args.join(" ")}: ${stderr}`);
  assert.equal(stdout, "", "nothing on standard output");
  assert.match(line, message);
  assert.doesNotMatch(stderr, /^\s+at /m, "no stack trace");
  assert.deepEqual(await list(store), listing, "the store is as it was");
}

/** A few at a time: each is a process. */
async function each<T>(items: readonly T[], work: (item: T, at: number) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += 3)
    await Promise.all(items.slice(at, at + 3).map((item, i) => work(item, at + i)));
}

test("tables", async (t) => {
  await each(TABLES, async ([name, content, code, message], at) => {
    const data = commands.path(`table-${at}.csv`);
    await writeFile(data, content);
    await refused(t, name, ["train", "--data", data, "--out", store, "--threads", "1", ...SMALL], code, message);
  });
});

test("GGUF files", async (t) => {
  await each(GGUFS, async ([name, content, code, message], at) => {
    const from = commands.path(`model-${at}.gguf`);
    await writeFile(from, content);
    const args = ["train", "--data", DATA, "--from", from, "--out", store, "--threads", "1"];
    await refused(t, name, args, code, message);
  });
});

/** Every other one is published, the others are asked; bad-input.test.ts does both with each. */
test("folders", { timeout: 300_000 }, async (t) => {
  await each(FOLDERS, async ([name, change, code, message], at) => {
    const model = await changedCopy(listing.versions[0]!.folder, commands.path(`model-${at}`), change);
    const args = at % 2 === 0 ? ["publish", store, model] : ["predict", model, "where is my parcel", "--threads", "1"];
    await refused(t, name, args, code, message);
  });
});

test("a changed byte in a version", async (t) => {
  const damaged = commands.path("damaged");
  await cp(store, damaged, { recursive: true });
  const { name } = listing.versions[0]!;
  const weights = join(damaged, "versions", name, "model.safetensors");
  const bytes = await readFile(weights);
  bytes[bytes.length - 5]! ^= 4;
  await chmod(weights, 0o644);
  await writeFile(weights, bytes);
  for (const args of [
    ["predict", damaged, "where is my parcel"],
    ["serve", damaged, "--port", "0"],
    ["verify", damaged],
    ["publish", damaged, name],
  ])
    await refused(t, "a changed byte", args, "VERSION_CORRUPT", /model\.safetensors.*SHA-256/);
});

test("a disk that is really full", async (t) => {
  const disk = commands.path("disk");
  await mkdir(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=32k", "tmpfs", disk], { stdio: "ignore" });
  } catch {
    t.skip("mounting a small file system needs root");
    return;
  }
  try {
    const out = join(disk, "store");
    await refused(
      t,
      "a full disk",
      ["train", "--data", DATA, "--out", out, "--threads", "1", ...SMALL],
      "DISK_FAILED",
      /ENOSPC.*free some space/,
    );
    assert.deepEqual((await list(out)).versions, []);
    // Locks are empty files that stay.
    assert.deepEqual(
      (await readdir(join(out, "tmp"))).filter((name) => !name.endsWith(".lock")),
      [],
    );
  } finally {
    execFileSync("umount", [disk]);
  }
});

test("markup and control characters in labels and texts: kept as they are, and shown as text", async (t) => {
  const labels = ["<script>alert(1)</script>", "\u001b[31mred\u001b[0m\u0007", "a\tb", "\u202eabc"];
  const data = commands.path("hostile.jsonl");
  await writeFile(
    data,
    Array.from(
      { length: 40 },
      (_, i) =>
        JSON.stringify({
          text: `question ${["one", "two", "three", "four"][i % 4]} number ${i} <b>bold</b>`,
          label: labels[i % 4],
        }) + "\n",
    ).join(""),
  );
  const out = commands.path("hostile");
  const { version } = await train({ ...BRIEF, data }, { out, threads: 1 });
  await using model = await loadModel(out, { threads: 1 });
  assert.deepEqual([...model.labels], [...labels].sort());
  const text = "question two <img src=x onerror=alert(1)>\u001b[2J";
  const shown = await commands.run(["predict", out, text, "--threads", "1", "--top", "4"]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /<script>alert\(1\)<\/script>/);
  assert.doesNotMatch(shown.stdout, /(?!\n)[\p{Cc}\u202e]/u, "nothing that moves a cursor or turns the text around");
  const answer = JSON.parse(
    (await commands.run(["predict", out, text, "--threads", "1", "--top", "4", "--json"])).stdout,
  ) as { text: string; version: string; top: { label: string }[] };
  assert.deepEqual(
    [answer.text, answer.version, answer.top.map(({ label }) => label).sort()],
    [text, version, [...labels].sort()],
  );
  t.diagnostic(shown.stdout.trim());
});
