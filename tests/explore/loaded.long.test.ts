/**
 * What explored threads load is said: packages that run as they are, by name and only where they were loaded; and
 * which branches of the project's files no schedule took, over all threads. @concurrent
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { exploreFile, formatReport, type ExploreReport } from "../../src/edge/api/index.ts";

const root = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "lockstep-loaded-"));
after(() => {
  rmSync(folder, { recursive: true });
});

const EXPLORER = JSON.stringify(new URL("../../src/threads/explore/index.ts", import.meta.url).href);
const pack = (name: string, code: string) => ({
  [`node_modules/${name}/package.json`]: JSON.stringify({ name, type: "module", exports: "./index.js" }),
  [`node_modules/${name}/index.js`]: code,
});
const files: Readonly<Record<string, string>> = {
  "package.json": `{ "name": "project", "type": "module" }`,
  ...pack("quiet", `export { deep } from "@group/deep";\nexport const bump = (words) => { words[1]++; };\n`),
  ...pack("@group/deep", "export const deep = 1;\n"),
  ...pack("late", "export const late = 1;\n"),
  ...pack("idle", "export const idle = 1;\n"),
  "src/cell.ts": `type Words = Int32Array;
export enum Mode { Fast = 1, Slow = 2 }
export function raise(words: Words, mode: Mode): string {
  const seen: number = Atomics.load(words, 0);
  if (seen > 5) {
    if (mode === Mode.Slow) return "never here";
    return "high";
  }
  for (const step of mode === Mode.Fast ? [1] : [1, 1]) Atomics.add(words, 0, step);
  try {
    if (mode === Mode.Slow && seen === 0) throw new Error("caught");
  } catch {
    return \`caught \${seen ?? "nothing"}\`;
  }
  switch (seen) {
    case 0:
      return "zero";
    case 1:
    case 2:
      return "some";
    default:
      return "more";
  }
}
export const unused = (words: Words): number => words[0] ? 1 : 2;
`,
  "src/cell.programs.ts": `import { program } from ${EXPLORER};
import { acorn } from "./uses-acorn.js";
import { Mode, raise } from "./cell.js";
const setup = () => ({ words: new Int32Array(new SharedArrayBuffer(8)) });
export const cell = program(import.meta.url, {
  setup,
  threads: [({ words }) => raise(words, Mode.Fast), ({ words }) => raise(words, Mode.Slow)],
  check: ({ words }) => {
    if (words[0] !== 3) throw new Error(String(words[0]));
  },
});
export const packages = program(import.meta.url, {
  setup,
  threads: [
    async ({ words }) => {
      (await import("quiet")).bump(words);
    },
    async ({ words }) => {
      if (Atomics.load(words, 0) === 0) await import("late");
      return acorn;
    },
  ],
});
`,
  "src/uses-acorn.ts": `import { version } from "acorn";\nexport const acorn: string = version;\n`,
};
for (const [name, text] of Object.entries(files)) {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
}
for (const name of ["acorn", "lockstep"])
  symlinkSync(name === "lockstep" ? root : join(root, "node_modules", name), join(folder, "node_modules", name));

async function explored(name: string, coverage = true): Promise<ExploreReport> {
  const reports = await exploreFile(join(folder, "src/cell.programs.ts"), {
    programs: [name],
    strategy: "classes",
    coverage,
  });
  return reports[0]!;
}

test("packages that explored threads loaded are named, and no others", async () => {
  const report = await explored("packages");
  assert.equal(report.failure, null, formatReport(report));
  assert.deepEqual(report.notWatched, ["@group/deep", "acorn", "late", "quiet"]);
  assert.match(formatReport(report), /^packages: not watched: @group\/deep, acorn, late, quiet$/m);
  // The module that is common to both imports it.
  assert.deepEqual((await explored("cell")).notWatched, ["acorn"]);
});

test("branches that no thread took in any schedule, with the source's lines; the outermost of each", async () => {
  const report = await explored("cell");
  assert.equal(report.verdict, "complete", formatReport(report));
  const { branches } = report;
  assert.deepEqual(
    branches!.missed.map(({ file, line, branch }) => `${file}:${line} ${branch}`),
    [
      "src/cell.ts:5 seen > 5 was never true",
      "src/cell.ts:13 seen was never null or undefined",
      "src/cell.ts:21 default was never entered",
    ],
  );
  assert.deepEqual(
    branches!.neverCalled.map(({ file, line, name }) => `${file}:${line} ${name}`),
    ["src/cell.ts:25 unused"],
  );
  assert.ok(branches!.reached > 5 && branches!.total > branches!.reached + 3, JSON.stringify(branches));
  const short = formatReport(report);
  assert.match(short, /^cell: \d+ of \d+ branches taken; --coverage names the others$/m);
  assert.doesNotMatch(short, /never true/);
  assert.match(
    formatReport(report, { coverage: true }),
    /^ {2}src\/cell\.ts:5 {2}seen > 5 was never true$[^]*^ {2}src\/cell\.ts:25 {2}unused was never called$/m,
  );
});

test("the same schedules are tried with and without", async () => {
  const [withIt, without] = [await explored("cell"), await explored("cell", false)];
  const told = ({ stages }: ExploreReport): unknown => stages.map(({ seconds: _, ...stage }) => stage);
  assert.deepEqual(told(withIt), told(without));
  assert.equal(without.branches, null);
});
