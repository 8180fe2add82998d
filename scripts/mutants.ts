/**
 * `npm run mutants [-- --seconds 600 --jobs 2 --only mutex --again --deep 4]`: mutates every line of `threads/sync` that
 * stores, notifies or compares, and runs the explorations of tests/sync/explored and tests/explore/protocols against
 * each mutant until one catches it. What is known already (tests/sync/mutants) is not run again, unless `--again`.
 * Prints the table of docs/explored.md, and every mutant that survives. Exit code 1 if one does, or if an entry of
 * equivalent.json speaks of no mutant.
 *
 * `--only` is a part of the files' names whose mutants are run, `--programs` a part of the programs' files; `--deep`
 * multiplies the schedules tried for each.
 */
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { programsOf, type Program } from "../src/threads/explore/index.ts";
import { pursue, type Module } from "./mutants/pursue.ts";
import { readCaught, readEquivalent, reasonOf, stale, writeCaught } from "./mutants/results.ts";
import { mutantTable } from "./mutants/table.ts";
import { plant } from "./mutants/tree.ts";

const root = dirname(import.meta.dirname);
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3600" },
    jobs: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    programs: { type: "string", default: "" },
    deep: { type: "string", default: "1" },
    again: { type: "boolean", default: false },
    table: { type: "boolean", default: false },
  },
});

/** Twins with a mistake in them, which fail without a mutant. */
const WRONG = /^(?:twins\..*|deathUncleared|looksFirst|neverLooks|deathAborted|unheld)$/;

/** Small programs first: they catch most, and cost least. */
const weight = (program: Program): number => program.threads.length + (program.supervise === undefined ? 0 : 4);
const ORDER = ["alone", "counting", "once", "event-count", "seqlock", "epoch", "channel", "mutex", "condition"];
const place = ({ path }: Module): number => {
  const index = ORDER.findIndex((name) => path.includes(`/${name}`));
  return index < 0 ? ORDER.length + (path.includes("protocols") ? 1 : 0) : index;
};

const deep = Number(values.deep);
const budget = { none: 12 * deep, one: 40 * deep, random: 24 * deep };
const until = performance.now() + 1000 * Number(values.seconds);

const folder = mkdtempSync(join(tmpdir(), "lockstep-mutants-"));
try {
  const mutants = plant(root, folder);
  const equivalent = readEquivalent(root);
  const caught = readCaught(root);
  const keys = new Set(mutants.map(({ key }) => key));
  for (const key of caught.keys()) if (!keys.has(key)) caught.delete(key);
  const alive = new Set(
    mutants.flatMap((mutant, index) =>
      mutant.file.includes(values.only) &&
      (values.again || !caught.has(mutant.key)) &&
      reasonOf(mutant, equivalent) === null
        ? [index]
        : [],
    ),
  );
  if (values.again) for (const index of alive) caught.delete(mutants[index]!.key);
  const reached = new Set<number>();
  const hung = new Map<number, string>();
  if (!values.table) await run();
  writeCaught(root, caught);
  console.log(mutantTable(mutants, caught, equivalent));
  const surviving = mutants.filter((mutant) => !caught.has(mutant.key) && reasonOf(mutant, equivalent) === null);
  for (const mutant of surviving) {
    const index = mutants.indexOf(mutant);
    const why = hung.has(index) ? `hangs in ${hung.get(index)}` : reached.has(index) ? "" : "not reached";
    console.log(`${mutant.file}:${mutant.line}\t${mutant.text}\t${mutant.change}\t${why}`);
  }
  for (const entry of stale(mutants, equivalent))
    console.log(`equivalent.json speaks of no mutant: ${entry.file}: ${entry.text}: ${entry.change ?? ""}`);
  if (surviving.length > 0 || stale(mutants, equivalent).length > 0) process.exitCode = 1;

  async function run(): Promise<void> {
    const modules: Module[] = [];
    for (const path of globSync("tests/{sync/explored,explore/protocols}/*.programs.ts", { cwd: root })
      .sort()
      .reverse()) {
      if (!path.includes(values.programs)) continue;
      const found = programsOf((await import(pathToFileURL(join(root, path)).href)) as Record<string, unknown>);
      const names = [...found.keys()].filter((name) => !WRONG.test(name));
      modules.push({ path, programs: names.sort((one, other) => weight(found.get(one)!) - weight(found.get(other)!)) });
    }
    modules.sort((one, other) => place(one) - place(other));
    const stopped = (): boolean => performance.now() > until || alive.size === 0;
    const work = async (): Promise<void> => {
      for (let module = modules.shift(); module !== undefined && !stopped(); module = modules.shift())
        await pursue(module, {
          folder,
          total: mutants.length,
          budget,
          setups: deep > 1,
          alive,
          stopped,
          onCaught: (mutant, path, program) => {
            caught.set(mutants[mutant]!.key, `${path.slice(path.lastIndexOf("/") + 1)} ${program}`);
          },
          onReached: (program, indices) => {
            for (const index of indices) reached.add(index);
            console.error(`${program}: ${indices.length} reached, ${alive.size} alive`);
            writeCaught(root, caught);
          },
          onHung: (mutant, program) => {
            hung.set(mutant, program);
            console.error(`hangs: ${mutants[mutant]!.key} in ${program}`);
          },
        });
    };
    await Promise.all(Array.from({ length: Number(values.jobs) }, work));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
