/** `lockstep export-log`: a log of receipts as a text file that proves itself, or the proof. */
import type { Command } from "commander";
import { LockstepError } from "../../base/index.ts";
import { checkExport, exportLog, requireTrusted } from "../api/index.ts";
import { addTrustFlags, JSON_FLAG, LOG_FLAG, trustedLines } from "./flags.ts";
import { createOutput, tellJudged } from "./output.ts";

interface ExportFlags {
  readonly check?: true;
  readonly log?: string;
  readonly publicKey?: string;
  readonly expectedHead?: string;
  readonly minCount?: number;
  readonly allowUnsigned?: true;
  readonly json?: true;
}

export function addExportLog(program: Command): void {
  const command = program
    .command("export-log")
    .description("write the log of receipts as one text file that proves itself; --check proves it")
    .argument("<store>", "the store; with --check the exported file")
    .argument("[file]", "the file to write, JSON lines")
    .option("--check", "verify an exported file, and write nothing")
    .option(...LOG_FLAG);
  addTrustFlags(command)
    .option(...JSON_FLAG)
    .addHelpText(
      "after",
      "\nExamples:\n  lockstep export-log ./models/mine receipts.jsonl\n  lockstep export-log --check receipts.jsonl " +
        "--public-key MCow…\n\nThe texts of the questions are in it.",
    )
    .action(async (path: string, file: string | undefined, flags: ExportFlags) => {
      const { json, check, log, allowUnsigned, ...expected } = flags;
      const output = createOutput(json === true);
      if ((check === true) === (file !== undefined))
        throw new LockstepError(
          "OPTION_INVALID",
          check === true ? "--check takes the exported file only" : "name the file to write, or give --check",
        );
      const report =
        file === undefined
          ? await checkExport(path, expected)
          : await exportLog(path, file, { log, publicKey: expected.publicKey });
      for (const line of trustedLines(report)) output.print(line);
      tellJudged(output, report, () => requireTrusted(report, { allowUnsigned }));
    });
}
