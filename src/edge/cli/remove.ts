/** `lockstep remove`: a version that nothing names and no receipt needs is taken out of a store; or an alias is. */
import type { Command } from "commander";
import { formatBytes, LockstepError } from "../../base/index.ts";
import { remove, removeAlias } from "../api/index.ts";
import { JSON_FLAG } from "./flags.ts";
import { createOutput } from "./output.ts";

interface RemoveFlags {
  readonly log?: string;
  readonly alias?: string;
  readonly json?: true;
}

export function addRemove(program: Command): void {
  program
    .command("remove")
    .description("take a version, or an alias, out of a store, for good")
    .argument("<store>")
    .argument("[version]", "its name, or at least four characters of it (see lockstep ls)")
    .option("--alias <name>", "take this alias away; the version that it names stays")
    .option("--log <file>", "another log whose receipts are heeded, where serve --audit was given one")
    .option(...JSON_FLAG)
    .addHelpText(
      "after",
      `
Examples:
  lockstep remove ./models/mine 94c5
  lockstep remove ./models/mine --alias challenger

A version stays while an alias names it (lockstep publish moves an alias), and while a receipt whose text is not
erased refers to it: it could not be replayed. A server that follows an alias which is taken away goes on with the
version that it has.`,
    )
    .action(async (store: string, version: string | undefined, { json, log, alias }: RemoveFlags) => {
      const output = createOutput(json === true);
      if (alias !== undefined) {
        if (version !== undefined || log !== undefined)
          throw new LockstepError(
            "OPTION_INVALID",
            "--alias takes an alias away, and goes with no version and no --log",
          );
        const taken = await removeAlias(store, alias);
        output.result(taken);
        output.print(
          `removed alias ${taken.alias}${taken.version === undefined ? "" : ` (it named ${taken.version})`}`,
        );
        return;
      }
      if (version === undefined)
        throw new LockstepError("OPTION_INVALID", "give the version to remove, or --alias with an alias to take away");
      const result = await remove(store, version, { log });
      output.result(result);
      output.print(`removed version ${result.version} (${formatBytes(result.bytes)})`);
    });
}
