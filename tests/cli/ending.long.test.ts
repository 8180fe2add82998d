/**
 * A server that is told to end does, with the right code, whatever has become of its log, its disk and its readers.
 * Each process has half a minute; what has not ended by itself then is killed, and has no code.
 */
import assert from "node:assert/strict";
import { execFileSync, type ChildProcess } from "node:child_process";
import { existsSync, globSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Commands, finish, seen, SMALL, TINY, type Outcome } from "./command.ts";

const LIMIT_MS = 30_000;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** SIGTERM, then what the process ended with; killed when it does not end. */
async function terminate(child: ChildProcess, ended: Promise<Outcome>): Promise<Outcome> {
  const kill = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  child.kill("SIGTERM");
  const outcome = await ended;
  clearTimeout(kill);
  return outcome;
}

async function ask(url: string, text: string): Promise<number> {
  const { status } = await fetch(`${url}/v1/classify`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text }),
  });
  return status;
}

describe("a server that is told to end", () => {
  const commands = new Commands();
  const store = commands.path("store");
  const disk = commands.path("disk");
  let mounted = false;
  before(async () => {
    const { code, stderr } = await commands.run(["train", "--data", TINY, "--out", store, ...SMALL]);
    assert.equal(code, 0, stderr);
    mkdirSync(disk);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], { stdio: "ignore" });
      mounted = true;
    } catch {
      mounted = false; // the test that needs it says so
    }
  });
  after(() => {
    if (mounted) execFileSync("umount", [disk]);
    commands[Symbol.dispose]();
  });

  /** Where it listens, once it does. */
  async function served(
    ...more: readonly string[]
  ): Promise<{ child: ChildProcess; ended: Promise<Outcome>; url: string }> {
    const child = commands.start(["serve", store, "--port", "0", "--threads", "1", "--json", ...more]);
    const ended = finish(child);
    const { url } = JSON.parse(await seen(child, "stdout", "url")) as { url: string };
    return { child, ended, url };
  }

  test("its log removed under it", async () => {
    const { child, ended, url } = await served();
    assert.equal(await ask(url, "where is my card"), 200);
    for (const file of globSync(join(store, "receipts.sqlite*"))) rmSync(file);
    const { code, stderr } = await terminate(child, ended);
    assert.equal(code, /^error: /m.test(stderr) ? 1 : 0, stderr);
  });

  test("its log's disk full: questions are refused, readiness says so, and both come back with room", async (t) => {
    if (!mounted) return t.skip("needs the right to mount a small disk");
    const { child, ended, url } = await served("--audit", join(disk, "receipts.sqlite"));
    const ready = async (): Promise<number> => (await fetch(`${url}/readyz`)).status;
    assert.deepEqual([await ask(url, "where is my card"), await ready()], [200, 200]);
    const fill = (): void => {
      for (const size of [65_536, 4096, 1])
        try {
          for (let i = 0; ; i++) writeFileSync(join(disk, `fill-${size}-${i}`), Buffer.alloc(size));
        } catch (error) {
          assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
        }
    };
    fill();
    let refused = 0;
    for (let i = 0; refused !== 507; i++) {
      assert.ok(i < 500, `the disk is full, and the answer is still ${refused}`);
      refused = await ask(url, `where is my card ${"x".repeat(2000)} ${i}`);
    }
    assert.equal(await ready(), 503);
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    for (const file of globSync(join(disk, "fill-*"))) rmSync(file);
    while ((await ready()) !== 200) await delay(100);
    assert.equal(await ask(url, "where is my card"), 200);
    fill();
    const { code, stderr } = await terminate(child, ended);
    assert.equal(code, /^error: /m.test(stderr) ? 1 : 0, stderr);
  });

  test("nobody reads what it says, from the start: it serves, and ends with 0", async () => {
    const port = await freePort();
    const child = commands.start(["serve", store, "--port", String(port), "--threads", "1", "--no-audit"]);
    const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
    child.stdout!.destroy();
    child.stderr!.destroy();
    const url = `http://127.0.0.1:${port}`;
    const ready = (): Promise<boolean> =>
      fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (child.exitCode === null && !(await ready())) await delay(50);
    assert.equal(child.exitCode, null, "it has ended");
    assert.equal(await ask(url, "where is my card"), 200);
    const kill = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    child.kill("SIGTERM");
    assert.equal(await ended, 0);
    clearTimeout(kill);
  });

  test(
    "a state folder that no folder can be made in: refused at once",
    { skip: !existsSync("/proc/self") && "there is no /proc" },
    async () => {
      const script = 'LOCKSTEP_HOME=/proc/nowhere exec "$0" "$@"';
      const { code, stderr } = await commands.shell(script, ["serve", store, "--port", "0"]);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /^error: .*\/proc\/nowhere.* \[DISK_FAILED\]\n$/);
    },
  );
});
