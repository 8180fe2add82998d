/**
 * `npm run explored [-- --seconds 60 --preemptions 3 --only TEXT]`: explores every program of the primitives and of the
 * protocols built on them, and prints what was covered as a table in Markdown (docs/explored.md). Counts of
 * enumerations are the same on every machine, unless a limit came first. Exit code 1 if anything went wrong.
 */
import { basename, dirname, relative } from "node:path";
import { parseArgs } from "node:util";
import { describeCoverage, explore, formatReport, type Stage } from "../src/threads/explore/index.ts";
import { programFiles, programsIn, WRONG } from "./mutants/programs.ts";

const root = dirname(import.meta.dirname);
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    preemptions: { type: "string", default: "3" },
    only: { type: "string", default: "" },
  },
});
const options = {
  maxSeconds: Number(values.seconds),
  maxSchedules: 1_000_000_000,
  preemptions: Number(values.preemptions),
};

/** The strongest that was covered completely, and random schedules where there were any. */
function covered(stages: readonly Stage[]): string {
  const whole = stages.filter(({ coverage, ended }) => ended === "complete" && coverage.kind !== "random").at(-1);
  const random = stages.find(({ coverage }) => coverage.kind === "random");
  return [
    ...(whole === undefined ? [] : [describeCoverage(whole)]),
    ...(random === undefined ? [] : [describeCoverage(random)]),
  ].join("; ");
}

console.log("| program | threads | covered |\n|---|---|---|");
for (const file of programFiles(root)) {
  const found = await programsIn(root, file);
  for (const [name, program] of found) {
    const label = `${basename(file, ".programs.ts")}: ${program.title ?? name}`;
    if (!`${relative(root, file)} ${name} ${label}`.includes(values.only)) continue;
    const report = await explore(program, options);
    const wrong = WRONG.test(name);
    const said =
      report.failure === null
        ? covered(report.stages)
        : wrong
          ? `a mistake on purpose, found: ${report.failure.kind}`
          : "**FAILED**";
    console.log(`| ${label}${wrong ? " (wrong twin)" : ""} | ${report.threads} | ${said} |`);
    if ((report.failure === null) === !wrong) continue;
    console.error(formatReport(report));
    process.exitCode = 1;
  }
}
