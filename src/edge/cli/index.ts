/** The command line: one verb, one function of the public door. Exit codes: 0, 1 (the work failed), 2 (refused before any work), 130 (interrupted, and saved). */
import { Command, CommanderError } from "commander";
import { addEval, addLs, addPredict, addPublish } from "./models.ts";
import { reportError } from "./output.ts";
import { addReplay, addServe, addVerify } from "./serving.ts";
import { addStart } from "./start.ts";
import { addTrain } from "./train.ts";

/** `argv` without node and script. Resolves to the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0); // the reader has seen enough
    throw error;
  });
  const program = new Command("lockstep")
    .description("Train and serve transformer language models on many threads; concurrency never changes an answer.")
    .exitOverride().showHelpAfterError("(--help says what there is)").enablePositionalOptions();
  for (const add of [addStart, addTrain, addLs, addPredict, addEval, addServe, addPublish, addVerify, addReplay]) add(program);
  for (const command of program.commands) command.exitOverride().showHelpAfterError(`(lockstep ${command.name()} --help says what there is)`);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return 0;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
    return reportError(thrown, argv.includes("--json"));
  }
}
