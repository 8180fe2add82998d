/** `lockstep eval`: a version measured on a labelled table. */
import type { Command } from "commander";
import { evaluate, type Evaluation } from "../api/index.ts";
import { formatDuration } from "../../base/index.ts";
import { addModelFlags, integer, JSON_FLAG, MODEL_ARGUMENT, type ModelFlags } from "./flags.ts";
import { createOutput, percent, withInterval, type Output } from "./output.ts";
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

function printReport(report: Evaluation, output: Output): void {
  output.print(`version              ${report.version}`);
  output.print(`accuracy             ${withInterval(report.accuracy)} of ${report.data.rows}`);
  output.print(`macro-F1             ${report.macroF1.toFixed(4)}`);
  output.print(`calibration error    ${report.expectedCalibrationError.toFixed(4)}`);
  output.print(`negative log-lik.    ${report.negativeLogLikelihood.toFixed(4)} nats a text`);
  if (report.abstained > 0)
    output.print(
      `abstained            ${percent(report.abstained)}; right where it answered: ` +
        (report.answeredAccuracy === undefined ? "-" : percent(report.answeredAccuracy)),
    );
  output.print(`time                 ${formatDuration(report.seconds * 1000)}`);
  if (report.confusions.length > 0) output.print("most frequent mistakes");
  for (const { expected, predicted, count } of report.confusions)
    output.print(`  ${String(count).padStart(4)} × ${expected} taken for ${predicted}`);
}
