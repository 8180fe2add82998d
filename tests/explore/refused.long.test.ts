/** What cannot be explored is refused by name, at once; what never ends is ended by its signal. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { explore, requireExplored, type Program } from "../../src/threads/explore/index.ts";
import * as refused from "./refused.programs.ts";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- programs of any state
type AnyProgram = Program<any>;

const CASES: Readonly<Record<string, readonly [code: string, message: RegExp]>> = {
  returnsFunction: [
    "INPUT_INVALID",
    /thread 1 of "returnsFunction" returned what cannot be sent to check \(.*could not be cloned/,
  ],
  notesFunction: ["INPUT_INVALID", /thread 0 of "notesFunction".* cannot be sent to check \(.*could not be cloned/],
  setupThrows: ["INPUT_INVALID", /setup of the program "setupThrows" threw TypeError: no memory today/],
  setupAsync: ["OPTION_INVALID", /setup of the program "setupAsync" is asynchronous/],
  checkAsync: ["OPTION_INVALID", /check of the program "checkAsync" is asynchronous/],
  exits: ["WORKER_DIED", /thread 1 of "exits" ended in the middle of a schedule, with code 3/],
  grows: [
    "INPUT_INVALID",
    /thread 0 of "grows": .*grow\(\).*make it at its full size in setup.*refused\.programs\.ts:\d+/,
  ],
  proxies: ["INPUT_INVALID", /thread 0 of "proxies": a Proxy of a typed array.*refused\.programs\.ts:\d+/],
  growsMemory: ["INPUT_INVALID", /thread 0 of "growsMemory": .*grow\(\).*refused\.programs\.ts:\d+/],
  sendsOwn: [
    "INPUT_INVALID",
    /thread 0 of "sendsOwn": a shared buffer that was made within a schedule.*refused\.programs\.ts:\d+/,
  ],
};

for (const [name, [code, message]] of Object.entries(CASES)) {
  test(`refused: ${name}`, { timeout: 20_000 }, async () => {
    const program = (refused as unknown as Record<string, AnyProgram>)[name]!;
    await assert.rejects(explore(program), (error: Error & { code: string }) => {
      assert.match(error.message, message);
      assert.equal(error.code, code);
      return true;
    });
  });
}

test("what is thrown outside of the body is told as thrown; memory of a thread's own may grow", async () => {
  const report = await explore(refused.throwsOutside, { strategy: "classes" });
  assert.match(report.failure?.message ?? "", /thread 0 threw RangeError: outside of everything/);
  requireExplored(await explore(refused.growsOwn, { strategy: "classes" }));
});

test("an element that is read in whatever way races with a write of it", async () => {
  for (const program of refused.racesUnusually) {
    const report = await explore(program, { strategy: "classes" });
    assert.equal(report.failure?.kind, "race");
    assert.match(report.failure.message, /"plain read of w\[0\]" by thread 1/);
  }
});

test("a signal ends a check, a setup and a thread that never do", { timeout: 25_000 }, async () => {
  for (const program of [refused.endlessCheck, refused.endlessSetup, refused.endlessThread]) {
    const controller = new AbortController();
    const ended = explore(program as AnyProgram, { signal: controller.signal });
    setTimeout(() => {
      controller.abort();
    }, 500);
    await assert.rejects(ended, { code: "CANCELLED" });
  }
});

const folder = mkdtempSync(join(tmpdir(), "lockstep-refused-"));
after(() => {
  rmSync(folder, { recursive: true });
});

/** A module that exports a program and, at its own top level, explores it. */
function selfExploring(last: string): Promise<{ readonly code: number; readonly stderr: string }> {
  const file = join(folder, `${last.length}.mjs`);
  const explorer = new URL("../../src/threads/explore/index.ts", import.meta.url).href;
  writeFileSync(
    file,
    `import { explore, program } from ${JSON.stringify(explorer)};
export const alone = program(import.meta.url, { setup: () => ({}), threads: [() => {}] });
${last}
`,
  );
  return new Promise((resolve) => {
    execFile(process.execPath, ["--conditions=lockstep-source", file], (error, _stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stderr });
    });
  });
}

test("a module that explores its own program while it loads is told so", { timeout: 60_000 }, async () => {
  const waiting = await selfExploring("await explore(alone);");
  assert.match(waiting.stderr, /explore waits for file:.* and that module waits for explore/);
  assert.equal(waiting.code, 1);
  const going = await selfExploring("void explore(alone);");
  assert.match(going.stderr, /explore was called in a thread that is itself explored/);
  assert.equal(going.code, 1);
});
