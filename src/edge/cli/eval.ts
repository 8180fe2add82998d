/** `lockstep eval`: a version measured on a labelled table. */
import type { Command } from "commander";
import { evaluate, type Evaluation, type MeasuredTask } from "../api/index.ts";
import { formatDuration } from "../../base/index.ts";
import { addModelFlags, integer, JSON_FLAG, MODEL_ARGUMENT, type ModelFlags } from "./flags.ts";
import { reportOf } from "./answers.ts";
import { createOutput, type Output } from "./output.ts";
import { onInterrupt } from "./signals.ts";

interface EvalFlags extends ModelFlags {
  readonly data: string;
  readonly text?: string;
  readonly label?: string;
  readonly confusions?: number;
}

export function addEval(program: Command): void {
  addModelFlags(
    program
      .command("eval")
      .description("measure a version on a table")
      .argument(...MODEL_ARGUMENT),
  )
    .requiredOption("--data <file>", "CSV or JSON-lines file of texts and labels")
    .option("--text <column>", "column of the text (default: text, sentence, question …)")
    .option("--label <column>", "column of the label (default: label, intent, category …)")
    .option("--confusions <n>", "most frequent mistakes to list (default: 10)", integer(0, 10_000))
    .option(...JSON_FLAG)
    .addHelpText("after", "\nExample:\n  lockstep eval ./models/mine --data test.csv --version challenger")
    .action(async (path: string, { data, text, label, confusions, json, ...options }: EvalFlags) => {
      const output = createOutput(json === true);
      using interrupted = onInterrupt(output.note, "stopping");
      const report = await evaluate(path, { data, text, label, confusions, signal: interrupted.signal }, options);
      output.result(report);
      printReport(report, output);
    });
}

function printReport<T extends MeasuredTask>(report: Evaluation<T>, output: Output): void {
  const { figures, mistakes } = reportOf(report.task);
  output.print(`version              ${report.version}`);
  for (const line of figures(report)) output.print(line);
  output.print(`time                 ${formatDuration(report.seconds * 1000)}`);
  const lines = mistakes(report);
  if (lines.length > 0) output.print("most frequent mistakes");
  for (const line of lines) output.print(`  ${line}`);
}
