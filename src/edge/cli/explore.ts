/** `lockstep explore`: the programs of a file under every interleaving, or as many as are wanted. */
import { Option, type Command } from "commander";
import {
  exploreFile,
  formatReport,
  listPrograms,
  LockstepError,
  type ExploreFileOptions,
  type ExploreProgress,
  type ExploreReport,
} from "../api/index.ts";
import { toLockstepError } from "../../base/index.ts";
import { integer, JSON_FLAG } from "./flags.ts";
import { createOutput, ToldInResult, type Output } from "./output.ts";
import { onInterrupt } from "./signals.ts";

interface ExploreFlags extends Omit<
  ExploreFileOptions,
  "programs" | "races" | "coverage" | "onReport" | "onProgress" | "signal"
> {
  readonly list?: true;
  readonly json?: true;
  readonly coverage?: true;
}

export function addExplore(program: Command): void {
  program
    .command("explore")
    .description(
      "run the programs that a file exports under every interleaving of their threads, and show the first that " +
        "goes wrong, step by step",
    )
    .argument("<file>", "a module that exports programs; TypeScript runs as it is")
    .argument("[programs...]", "names of exports (default: all)")
    .option("--list", "only say which programs there are")
    .addOption(
      new Option("--strategy <name>", "how schedules are chosen (default: auto)").choices([
        "auto",
        "classes",
        "bounded",
        "random",
      ]),
    )
    .option(
      "--preemptions <n>",
      "bounded: switches away from a thread that could go on; all: every interleaving (default: 2)",
      preemptions,
    )
    .option("--schedules <n>", "random: how many (default: 20000)", integer(1, 100_000_000))
    .option("--depth <n>", "random: depth of the bugs that are aimed at (default: 3)", integer(1, 16))
    .option("--seed <n>", "random: another seed, other schedules (default: 1)", integer(0, 0x7fff_ffff))
    .option("--max-schedules <n>", "limit of one enumeration (default: 200000)", integer(1, 1_000_000_000))
    .option("--max-seconds <n>", "limit of one enumeration (default: 60)", integer(1, 86_400))
    .option("--max-steps <n>", "a longer schedule counts as endless (default: 5000)", integer(10, 20_000))
    .option("--spins <n>", "rounds of the same before a loop is put off (default: 8)", integer(2, 10_000))
    .option(
      "--kills <n>",
      "threads that may die in a schedule (default: 1 if the program has a supervisor)",
      integer(0, 8),
    )
    .option("--replay <schedule>", "run this one schedule; with a file of several programs, name one")
    .option("--coverage", "name each branch of the explored files that no schedule took")
    .option(...JSON_FLAG)
    .addHelpText(
      "after",
      "\nExample:\n  lockstep explore ./queue.ts\n  lockstep explore ./queue.ts smallQueue --strategy random " +
        "--schedules 100000 --seed 7\n\nA failure is shown once it has been seen again in fresh threads, and " +
        "exits with 1; a search that is not complete with 3. docs/explorer.md teaches how to write a program.",
    )
    .action(
      async (file: string, names: readonly string[], { list, replay, json, coverage, ...flags }: ExploreFlags) => {
        const output = createOutput(json === true);
        if (list === true) return await showList(file, output);
        using interrupted = onInterrupt(output.note, "stopping");
        const reports: ExploreReport[] = [];
        const error = await errorOf(async () => {
          await exploreFile(file, {
            ...flags,
            ...(replay === undefined ? {} : { replay }),
            programs: names,
            signal: interrupted.signal,
            onProgress: announce(output),
            onReport: (report) => {
              reports.push(report);
              for (const line of formatReport(report, { coverage: coverage === true }).split("\n")) output.print(line);
            },
          });
          requireRight(reports);
        });
        const told = error === null ? null : { code: error.code, message: error.message, details: error.details };
        output.result({ reports: reports.map(asJson), error: told });
        if (error !== null) throw new ToldInResult(error.message, { cause: error });
      },
    );
}

async function errorOf(work: () => Promise<void>): Promise<LockstepError | null> {
  try {
    await work();
    return null;
  } catch (thrown) {
    return toLockstepError(thrown);
  }
}

/** @throws CHECK_FAILED, NOT_COMPLETE */
function requireRight(reports: readonly ExploreReport[]): void {
  const failed = reports.find(({ failure }) => failure !== null);
  if (failed !== undefined)
    throw new LockstepError("CHECK_FAILED", `${failed.program} went wrong: ${failed.failure?.kind ?? ""}`, {
      program: failed.program,
    });
  const open = reports.filter(({ verdict }) => verdict === "not complete").map(({ program }) => program);
  if (open.length > 0)
    throw new LockstepError(
      "NOT_COMPLETE",
      `nothing wrong was found, and not everything was gone through in ${open.join(", ")}`,
      { programs: open },
    );
}

/** JSON has no infinity: a search without a bound says "unbounded". */
function asJson(report: ExploreReport): unknown {
  const stages = report.stages.map(({ coverage, ...stage }) => ({
    coverage:
      coverage.kind === "preemptions" && coverage.bound === Infinity ? { ...coverage, bound: "unbounded" } : coverage,
    ...stage,
  }));
  return { ...report, stages };
}

async function showList(file: string, output: Output): Promise<void> {
  const found = await listPrograms(file);
  for (const [name, { title, threads }] of found)
    output.print(
      `${name}  ${threads.length} thread${threads.length === 1 ? "" : "s"}${title === undefined ? "" : `  ${title}`}`,
    );
  output.result(
    [...found].map(([name, { title, threads }]) => ({ name, title: title ?? null, threads: threads.length })),
  );
}

/** Now and then, so that a long exploration is seen to go on. */
function announce(output: Output): (progress: ExploreProgress) => void {
  let last = 0;
  return ({ program, stage, schedules, seconds }) => {
    if (seconds >= last && seconds - last < 5) return;
    last = seconds;
    output.note(`${program}: ${stage}: ${schedules.toLocaleString("en")} schedules, ${seconds.toFixed(0)} s`);
  };
}

function preemptions(text: string): number {
  return text === "all" ? Infinity : integer(0, 100)(text);
}
