/** `lockstep remove`: a version that nothing names and no receipt needs is taken out of a store. */
import type { Command } from "commander";
import { formatBytes } from "../../base/index.ts";
import { remove } from "../api/index.ts";
import { JSON_FLAG } from "./flags.ts";
import { createOutput } from "./output.ts";

export function addRemove(program: Command): void {
  program
    .command("remove")
    .description("take a version out of a store, for good")
    .argument("<store>")
    .argument("<version>", "its name, or at least four characters of it (see lockstep ls)")
    .option("--log <file>", "another log whose receipts are heeded, where serve --audit was given one")
    .option(...JSON_FLAG)
    .addHelpText(
      "after",
      `
Example:
  lockstep remove ./models/mine 94c5

A version stays while an alias names it (lockstep publish moves an alias), and while a receipt whose text is not
erased refers to it: it could not be replayed.`,
    )
    .action(async (store: string, version: string, { json, log }: { json?: true; log?: string }) => {
      const output = createOutput(json === true);
      const result = await remove(store, version, { log });
      output.result(result);
      output.print(`removed version ${result.version} (${formatBytes(result.bytes)})`);
    });
}
