/** `lockstep explore --json`: one document whatever happens, with what was found and what went wrong. @concurrent */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { Commands, ROOT, seen } from "./command.ts";

const commands = new Commands();
after(() => {
  commands[Symbol.dispose]();
});
const file = commands.path("two.programs.mjs");
writeFileSync(
  file,
  `import { writeSync } from "node:fs";
import { program } from ${JSON.stringify(`file://${ROOT}/src/threads/explore/index.ts`)};
const setup = () => ({ w: new Int32Array(new SharedArrayBuffer(4)) });
const add = ({ w }) => void Atomics.add(w, 0, 1);
export const right = program(import.meta.url, { setup, threads: [add, add] });
const never = () => { throw new Error("never"); };
export const wrong = program(import.meta.url, { setup, threads: [add], check: never });
export const refused = program(import.meta.url, { setup: () => { throw Error("no state"); }, threads: [add] });
const forEver = () => { writeSync(2, "checking\\n"); for (;;); };
const look = ({ w }) => Atomics.load(w, 0);
const counts = (state) => { let rounds = 0; while (look(state) === 0) rounds++; return rounds > 1000; };
export const open = program(import.meta.url, { setup, threads: [counts, add] });
export const endless = program(import.meta.url, { setup, threads: [add], check: forEver });
`,
);

interface Document {
  readonly reports: readonly {
    readonly program: string;
    readonly verdict: string;
    readonly failure: { readonly kind: string } | null;
    readonly branches: object | null;
    readonly notWatched: readonly string[];
    readonly stages: readonly { readonly coverage: unknown }[];
  }[];
  readonly error: { readonly code: string; readonly message: string } | null;
}

async function explored(
  ...args: readonly string[]
): Promise<{ code: number | null; document: Document; stderr: string }> {
  const { code, stdout, stderr } = await commands.run(["explore", file, ...args, "--json"]);
  assert.equal(stdout.trim().split("\n").length, 1, stdout);
  assert.notEqual(stdout, "", `exit ${code}: ${stderr}`);
  return { code, document: JSON.parse(stdout) as Document, stderr };
}

test("all right; unbounded is a word", async () => {
  const { code, document } = await explored("right", "--strategy", "bounded", "--preemptions", "all");
  assert.equal(document.error, null);
  assert.equal(code, 0);
  assert.deepEqual(document.reports[0]!.stages[0]!.coverage, { kind: "preemptions", bound: "unbounded" });
});

test("a failure, and an error after a report: both in the one document, with their exit codes", async () => {
  const failed = await explored("right", "wrong", "--strategy", "classes");
  assert.deepEqual(
    failed.document.reports.map(({ program, failure }) => [program, failure?.kind ?? null]),
    [
      ["right", null],
      ["wrong", "check"],
    ],
  );
  assert.equal(failed.document.error?.code, "CHECK_FAILED");
  assert.equal(failed.code, 1);
  const refused = await explored("right", "refused", "--strategy", "classes");
  assert.deepEqual(
    refused.document.reports.map(({ program }) => program),
    ["right"],
  );
  assert.match(refused.document.error?.message ?? "", /setup of the program "refused" threw Error: no state/);
  assert.equal(refused.code, 2);
});

test("a schedule for several programs, one that is not there, an option that is not: said, and exit 2", async () => {
  for (const [args, message] of [
    [["--replay", "0"], /replayed with one program, and .*two\.programs\.mjs has endless, open, refused, right, wrong/],
    [["none"], /exports no program "none"; there are endless, open, refused, right, wrong/],
    [["--strategy", "fast"], /fast/],
  ] as const) {
    const { code, document, stderr } = await explored(...args);
    assert.match(document.error?.message ?? "", message);
    assert.match(stderr, message);
    assert.equal(code, 2);
  }
});

test("a search that is not complete exits with 3, and the document says so", async () => {
  const { code, document, stderr } = await explored("open", "right", "--strategy", "classes");
  assert.equal(code, 3);
  assert.equal(document.error?.code, "NOT_COMPLETE");
  assert.match(stderr, /nothing wrong was found, and not everything was gone through in open/);
  assert.deepEqual(
    document.reports.map(({ program, verdict }) => [program, verdict]),
    [
      ["open", "not complete"],
      ["right", "complete"],
    ],
  );
});

test("branches and packages that were not watched are in the document; --coverage names branches", async () => {
  const { document } = await explored("right", "--strategy", "classes");
  assert.deepEqual(document.reports[0]!.branches, { total: 0, reached: 0, missed: [], neverCalled: [] });
  assert.deepEqual(document.reports[0]!.notWatched, []);
  const { code, stdout } = await commands.run(["explore", file, "open", "--strategy", "random", "--coverage"]);
  assert.match(stdout, /^open: \d of 2 branches taken$/m);
  assert.equal(code, 0);
});

test("an interrupt ends even an endless check, with a document", async () => {
  const child = commands.start(["explore", file, "endless", "--json"]);
  let stdout = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  const closed = new Promise((resolve) => child.once("close", resolve));
  await seen(child, "stderr", "checking");
  child.kill("SIGINT");
  const code = await closed;
  assert.equal((JSON.parse(stdout) as Document).error?.code, "CANCELLED");
  assert.equal(code, 130);
});
