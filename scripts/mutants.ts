/**
 * `npm run mutants [-- --seconds 600 --only mutex --programs seqlock --deep 4 --again --table]`: mutates every line of
 * `threads/sync` that stores, notifies or compares (mutants/mutate.ts), and runs the explorations of
 * tests/sync/explored and tests/explore/protocols against each mutant until one catches it; then, against what
 * survives, the unit tests of tests/sync. What is known already (tests/sync/mutants) is not run again, unless
 * `--again`. Prints the table of docs/explored.md, and every mutant of `--only` that survives. Exit code 1 if any does,
 * or if an entry of equivalent.json speaks of no mutant.
 *
 * `--only`: how the names of the files begin whose mutants are run (`mutex,slots`); `--programs`: a part of `file name`
 * of the programs and of the paths of the unit tests (`.programs.ts`: no unit tests; `.test.ts`: nothing else);
 * `--deep`: how many times as many schedules are tried for each; `--jobs`: processes at once; `--table`: runs none.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import type { Program } from "../src/threads/explore/index.ts";
import { programFiles, programsIn, WRONG } from "./mutants/programs.ts";
import { pursue, type Module } from "./mutants/pursue.ts";
import { accounted, readCaught, readEquivalent, reasonOf, stale, writeCaught } from "./mutants/results.ts";
import { mutantTable } from "./mutants/table.ts";
import { mutantsOf, plant } from "./mutants/tree.ts";
import { hunt, unitFiles } from "./mutants/units.ts";

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

const mutants = mutantsOf(root);
const equivalent = readEquivalent(root);
const caught = readCaught(root);
const keys = new Set(mutants.map(({ key }) => key));
for (const key of caught.keys()) if (!keys.has(key)) caught.delete(key);

const chosen = (file: string): boolean => values.only.split(",").some((part) => file.startsWith(part));
const alive = new Set(
  mutants.flatMap((mutant, index) =>
    chosen(mutant.file) && (values.again || !caught.has(mutant.key)) && reasonOf(mutant, equivalent) === null
      ? [index]
      : [],
  ),
);
const reached = new Set<number>();
const hung = new Map<number, string>();

if (!values.table) {
  if (values.again) for (const index of alive) caught.delete(mutants[index]!.key);
  const folder = mkdtempSync(join(tmpdir(), "lockstep-mutants-"));
  try {
    plant(root, folder);
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const surviving = mutants.filter((mutant) => !accounted(mutant, { caught, equivalent }));
writeCaught(root, caught);
console.log(mutantTable(mutants, { caught, equivalent }));
for (const mutant of surviving.filter(({ file }) => chosen(file))) {
  const index = mutants.indexOf(mutant);
  const why = hung.has(index) ? `hangs in ${hung.get(index)}` : reached.has(index) ? "" : "not reached";
  console.log(`${mutant.file}:${mutant.line}\t${mutant.text}\t${mutant.change}\t${why}`);
}
const wrong = stale(mutants, equivalent);
for (const { file, text, change } of wrong) console.log(`speaks of no mutant: ${file}: ${text}: ${change ?? "any"}`);
if (surviving.length > 0 || wrong.length > 0) process.exitCode = 1;

async function run(folder: string): Promise<void> {
  const deep = Number(values.deep);
  const until = performance.now() + 1000 * Number(values.seconds);
  const modules: Module[] = [];
  for (const path of programFiles(root)) {
    const found = await programsIn(root, path);
    const names = [...found.keys()].filter((name) => !WRONG.test(name) && `${path} ${name}`.includes(values.programs));
    modules.push({
      path,
      programs: names.sort((one, other) => weight(found.get(one)!) - weight(found.get(other)!)),
    });
  }
  modules.sort((one, other) => place(one) - place(other));
  const stopped = (): boolean => performance.now() > until || alive.size === 0;
  const onReached = (by: string, indices: readonly number[]): void => {
    for (const index of indices) reached.add(index);
    console.error(`${by}: ${indices.length} reached, ${alive.size} alive`);
    writeCaught(root, caught);
  };
  const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
  const work = async (): Promise<void> => {
    for (let module = modules.shift(); module !== undefined && !stopped(); module = modules.shift())
      await pursue(module, {
        folder,
        total: mutants.length,
        budget: { none: 12 * deep, one: 40 * deep, random: 24 * deep },
        setups: deep > 1,
        alive,
        stopped,
        onCaught: (mutant, path, program) => {
          caught.set(mutants[mutant]!.key, `${nameOf(path)} ${program}`);
        },
        onReached,
        onHung: (mutant, program) => {
          hung.set(mutant, program);
          console.error(`hangs: ${mutants[mutant]!.key} in ${program}`);
        },
      });
  };
  const jobs = Number(values.jobs);
  await Promise.all(Array.from({ length: jobs }, work));
  await hunt(
    unitFiles(root).filter((path) => path.includes(values.programs)),
    {
      folder,
      total: mutants.length,
      jobs,
      alive,
      stopped,
      onCaught: (mutant, path) => {
        caught.set(mutants[mutant]!.key, nameOf(path));
        console.error(`${path} catches ${mutants[mutant]!.key}`);
        writeCaught(root, caught);
      },
      onReached,
    },
  );
}

/** Small programs first: they catch most, and cost least. */
function weight(program: Program): number {
  return program.threads.length + (program.supervise === undefined ? 0 : 4);
}

function place({ path }: Module): number {
  const order = ["alone", "counting", "once", "event-count", "seqlock", "epoch", "channel", "mutex", "condition"];
  const index = order.findIndex((name) => path.includes(`/${name}`));
  return index < 0 ? order.length + (path.includes("protocols") ? 1 : 0) : index;
}
