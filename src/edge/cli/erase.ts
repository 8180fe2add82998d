/** `lockstep erase`: the text of an answer taken out of the log of receipts. */
import type { Command } from "commander";
import { erase } from "../api/index.ts";
import { JSON_FLAG, LOG_FLAG } from "./flags.ts";
import { createOutput } from "./output.ts";

export function addErase(program: Command): void {
  program
    .command("erase")
    .description("take the text of an answer out of the log of receipts, for good")
    .argument("<store>", "the store whose log it is in")
    .argument("<receipt>", "the receipt that came with the answer")
    .option(...LOG_FLAG)
    .option(...JSON_FLAG)
    .addHelpText(
      "after",
      "\nExample:\n  lockstep erase ./models/mine 5f0c…\n\nThe chain of receipts still verifies, and a receipt of " +
        "its own says what was erased. A server may be running. Copies and exports of the log keep the text.",
    )
    .action(async (store: string, receipt: string, { json, log }: { json?: true; log?: string }) => {
      const output = createOutput(json === true);
      const result = await erase(store, receipt, { log });
      output.result(result);
      for (const hash of result.erased) output.print(`erased the text of receipt ${hash}`);
      output.print(`receipt of the erasure: ${result.receipt ?? "none"}`);
    });
}
