/** The command's launcher: which Node it takes, what it hands over, and that signals and exit codes come through. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";

const root = dirname(dirname(import.meta.dirname));
const made: string[] = [];
after(() => {
  for (const folder of made) rmSync(folder, { recursive: true });
});

/** A made-up checkout or package: the real bin beside a CLI that reports how it was started. */
function install(kind: "source" | "dist", brought: "none" | "new" | "old" = "none"): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lockstep-bin-")));
  made.push(folder);
  cpSync(join(root, "bin"), join(folder, "bin"), { recursive: true });
  writeFileSync(
    join(folder, "package.json"),
    '{"type":"module","imports":{"#kind":{"lockstep-source":"./source.mjs","default":"./dist.mjs"}}}',
  );
  writeFileSync(join(folder, "source.mjs"), 'export default "source";');
  writeFileSync(join(folder, "dist.mjs"), 'export default "dist";');
  const cli = join(folder, kind === "source" ? "src" : "dist", "edge", "cli");
  mkdirSync(cli, { recursive: true });
  writeFileSync(
    join(cli, kind === "source" ? "index.ts" : "index.js"),
    `
    import kind from "#kind";
    export async function main(args) {
      console.log(JSON.stringify({ kind, args, brought: process.env.BROUGHT ?? null }));
      if (args[0] === "exit") return Number(args[1]);
      if (args[0] === "abort") process.kill(process.pid, "SIGKILL");
      if (args[0] !== "wait") return 0;
      const seen = [];
      for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => seen.push(signal));
      console.log("waiting");
      await new Promise((resolve) => setTimeout(resolve, 700));
      console.log(JSON.stringify(seen));
      return 130;
    }
  `,
  );
  if (brought !== "none") {
    const platform = process.platform === "win32" ? "win" : process.platform;
    const node = join(folder, "node_modules", `node-${platform}-${process.arch}`);
    mkdirSync(join(node, "bin"), { recursive: true });
    writeFileSync(join(node, "package.json"), JSON.stringify({ version: brought === "new" ? "24.15.0" : "24.14.9" }));
    writeFileSync(join(node, "bin", "node"), `#!/bin/sh\nBROUGHT=yes exec "${process.execPath}" "$@"\n`, {
      mode: 0o755,
    });
  }
  return folder;
}

/**
 * Starts the launcher as it runs in this Node, or as it would run in an old one, which cannot replace a process either.
 */
function start(
  folder: string,
  args: readonly string[],
  version: "this" | "v20.20.2" | "v24.14.1" = "this",
): ChildProcess {
  // Only the launcher itself (this file's folder) is told it is old, not the Node that it starts.
  const pretend =
    `if (process.env.BROUGHT === undefined) { Object.defineProperty(process, "version", { value: "${version}" ` +
    "}); process.execve = undefined; }";
  const flags = version === "this" ? [] : ["--import", `data:text/javascript,${encodeURIComponent(pretend)}`];
  return spawn(process.execPath, [...flags, join(folder, "bin", "lockstep.mjs"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function finish(
  child: ChildProcess,
): Promise<{ code: number | null; signal: NodeJS.Signals | null; out: string; err: string }> {
  let [out, err] = ["", ""];
  child.stdout!.on("data", (chunk) => {
    out += String(chunk);
  });
  child.stderr!.on("data", (chunk) => {
    err += String(chunk);
  });
  return await new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal, out, err })));
}

const notOnWindows = process.platform === "win32" && "POSIX signals and shell scripts";

describe("the launcher", { skip: notOnWindows }, () => {
  test("a checkout runs its sources, a package what was built, with arguments as they are", async () => {
    for (const kind of ["source", "dist"] as const) {
      const { code, out, err } = await finish(start(install(kind), ["a b", "--x=ü", ""]));
      assert.deepEqual([code, err, JSON.parse(out)], [0, "", { kind, args: ["a b", "--x=ü", ""], brought: null }]);
    }
  });

  test("an old Node hands over to the one that was brought", async () => {
    for (const version of ["v20.20.2", "v24.14.1"] as const) {
      const { code, out } = await finish(start(install("source", "new"), ["exit", "7"], version));
      assert.deepEqual([code, JSON.parse(out)], [7, { kind: "source", args: ["exit", "7"], brought: "yes" }]);
    }
  });

  test("an old Node without one, or with one that is old too, says what to do and exits 2", async () => {
    for (const [kind, brought, advice] of [
      ["source", "none", /npm ci/],
      ["source", "old", /npm ci/],
      ["dist", "none", /npm install node@24/],
    ] as const) {
      const { code, out, err } = await finish(start(install(kind, brought), ["train"], "v20.20.2"));
      assert.deepEqual([code, out], [2, ""]);
      assert.match(err, /needs Node 24\.15 or newer; this is v20\.20\.2/);
      assert.match(err, advice);
    }
  });

  test("exit codes and fatal signals come through", async () => {
    const folder = install("source", "new");
    for (const version of ["this", "v20.20.2"] as const) {
      assert.equal((await finish(start(folder, ["exit", "2"], version))).code, 2);
      assert.equal((await finish(start(folder, ["abort"], version))).signal, "SIGKILL");
    }
  });

  test("a signal reaches the command once", async () => {
    const folder = install("source", "new");
    for (const version of ["this", "v20.20.2"] as const) {
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        const child = start(folder, ["wait"], version);
        const ended = finish(child);
        await new Promise<void>((resolve) =>
          child.stdout!.on("data", (chunk) => {
            if (String(chunk).includes("waiting")) resolve();
          }),
        );
        child.kill(signal);
        const { code, out } = await ended;
        assert.deepEqual([code, out.trim().split("\n").at(-1)], [130, `["${signal}"]`], `${version} ${signal}`);
      }
    }
  });
});
