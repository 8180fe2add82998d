/**
 * The command line: one verb, one file, one function of the public door. Exit codes: 0, 1 (the work failed), 2 (refused
 * before any work), 3 (explore: nothing wrong was found, and not everything was gone through), 130 (interrupted, and
 * saved).
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addChat } from "./chat.ts";
import { addDoctor } from "./doctor.ts";
import { addErase } from "./erase.ts";
import { addEval } from "./eval.ts";
import { addExplore } from "./explore.ts";
import { addExportLog } from "./export-log.ts";
import { addGenerate } from "./generate.ts";
import { addLs } from "./ls.ts";
import { guardStreams, reportError, writeError } from "./output.ts";
import { addPredict } from "./predict.ts";
import { addPublish } from "./publish.ts";
import { addRemove } from "./remove.ts";
import { addReplay } from "./replay.ts";
import { addServe } from "./serve.ts";
import { addStart } from "./start.ts";
import { addTrain } from "./train.ts";
import { addVerify } from "./verify.ts";

const VERBS = [
  addStart,
  addTrain,
  addLs,
  addPredict,
  addGenerate,
  addChat,
  addEval,
  addServe,
  addPublish,
  addRemove,
  addVerify,
  addReplay,
  addErase,
  addExportLog,
  addExplore,
  addDoctor,
];

/** `argv` without node and script. Resolves to the exit code, when everything is closed. */
export async function main(argv: readonly string[]): Promise<number> {
  const json = wantsJson(argv);
  guardStreams();
  // What nobody awaited still ends with one readable line and an exit code of the table.
  process.on("uncaughtException", (thrown) => {
    process.exit(reportError(thrown, json));
  });
  try {
    await createProgram().parseAsync([...argv], { from: "user" });
    return 0;
  } catch (thrown) {
    return thrown instanceof CommanderError ? usage(thrown, json) : reportError(thrown, json);
  }
}

function createProgram(): Command {
  const program = new Command("lockstep")
    .description("Train and serve transformer language models on many threads; concurrency never changes an answer.")
    .version(packageVersion(), "-V, --version", "print the version of lockstep")
    .helpCommand(false)
    .enablePositionalOptions()
    .addHelpText(
      "after",
      "\nlockstep <command> --help has examples. Exit codes: 0, 1 the work failed, 2 refused before any work, " +
        "3 nothing wrong was found but the search is not complete (explore), 130 interrupted and saved.",
    );
  for (const add of VERBS) add(program);
  for (const command of [program, ...program.commands]) {
    const full = command === program ? "lockstep" : `lockstep ${command.name()}`;
    command.exitOverride().configureOutput({
      outputError: (text, write) => {
        write(`${text.trimEnd()}\n${full} --help says what there is.\n`);
      },
    });
  }
  return program;
}

/** Commander has said already what is wrong. */
function usage(error: CommanderError, json: boolean): number {
  if (error.exitCode === 0) return 0;
  if (json) writeError({ code: "OPTION_INVALID", message: error.message.replace(/^error: /, ""), details: {} });
  return 2;
}

/** Also when the arguments cannot be parsed. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? argv.length : end).includes("--json");
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  return version;
}
