/** Verbs on a store's versions that answer and end: ls, predict, eval, publish. */
import { Option, type Command } from "commander";
import { classifyEach, evaluate, list, loadModel, publish, textsOf } from "../api/index.ts";
import { LockstepError } from "../../base/index.ts";
import { createOutput, percent, withInterval } from "./output.ts";
import { integer } from "./parse.ts";
import { onInterrupt } from "./signals.ts";

interface ModelFlags { readonly version?: string; readonly threads?: number; readonly executor?: "native" | "portable"; readonly json?: true }

function addModelFlags(command: Command): Command {
  return command
    .option("--version <ref>", "alias, version name, or the start of one (default: champion)")
    .option("--threads <k>", "replica threads (default: all cores)", integer(1, 256))
    .addOption(new Option("--executor <name>", "arithmetic (default: the one the version was made with)").choices(["native", "portable"]))
    .option("--json", "the result as JSON on standard output");
}

export function addLs(program: Command): void {
  program.command("ls").description("list the versions of a store").argument("<store>").option("--json", "the result as JSON on standard output")
    .action(async (store: string, { json }: { json?: true }) => {
      const output = createOutput(json === true);
      const listing = await list(store);
      output.result(listing);
      if (listing.versions.length === 0) output.print("no versions yet");
      for (const { name, aliases, created, labels, testAccuracy, validationAccuracy, problem } of listing.versions) {
        const accuracy = testAccuracy ?? validationAccuracy;
        output.print([name.slice(0, 12), created.slice(0, 19).replace("T", " "), labels === undefined ? "-" : `${labels} labels`, accuracy === undefined ? "-" : `${percent(accuracy)}${testAccuracy === undefined ? " (validation)" : ""}`, aliases.join(", "), problem ?? ""].join("  ").trimEnd());
      }
    });
}

export function addPredict(program: Command): void {
  addModelFlags(program.command("predict").description("classify texts").argument("<model>", "a store, or a folder in the Hugging Face layout").argument("[texts...]"))
    .option("--file <file>", "a table, or a file with a text a line")
    .option("--text <column>", "with a table: the column of the text")
    .option("--top <k>", "labels to list", integer(1, 1000), 3)
    .addHelpText("after", "\nWith --json, one JSON document a line and text.\n\nExample:\n  lockstep predict ./models/mine \"Where is my card?\"")
    .action(async (path: string, texts: string[], { file, text: column, top, json, ...options }: ModelFlags & { file?: string; text?: string; top: number }) => {
      const output = createOutput(json === true);
      if (texts.length === 0 && file === undefined) throw new LockstepError("OPTION_INVALID", "there is no text; give one or more, or a file with --file");
      using interrupted = onInterrupt(output.note, "stopping");
      const source = file === undefined ? texts : await textsOf(file, column);
      await using model = await loadModel(path, options);
      for await (const answer of classifyEach(model, source, { topK: top, signal: interrupted.signal })) {
        output.result(answer);
        output.print(`${answer.text}\n  ${answer.abstained ? "(abstains) " : ""}${answer.top.map(({ label, probability }) => `${label} ${percent(probability)}`).join(", ")}`);
      }
    });
}

export function addEval(program: Command): void {
  addModelFlags(program.command("eval").description("measure a version on a table").argument("<model>"))
    .requiredOption("--data <file>", "CSV or JSON-lines file of texts and labels")
    .option("--text <column>", "column of the text")
    .option("--label <column>", "column of the label")
    .action(async (path: string, { data, text, label, json, ...options }: ModelFlags & { data: string; text?: string; label?: string }) => {
      const output = createOutput(json === true);
      using interrupted = onInterrupt(output.note, "stopping");
      const report = await evaluate(path, { data, text, label, signal: interrupted.signal }, options);
      output.result(report);
      output.print(`version            ${report.version}`);
      output.print(`accuracy           ${withInterval(report.accuracy)} of ${report.data.rows}`);
      output.print(`macro-F1           ${report.macroF1.toFixed(4)}`);
      output.print(`calibration error  ${report.expectedCalibrationError.toFixed(4)}`);
      output.print(`log likelihood     ${report.negativeLogLikelihood.toFixed(4)} nats a text, negative`);
      if (report.abstained > 0) output.print(`abstained          ${percent(report.abstained)}`);
      for (const { expected, predicted, count } of report.confusions) output.print(`  ${String(count).padStart(4)} × ${expected} taken for ${predicted}`);
    });
}

export function addPublish(program: Command): void {
  program.command("publish").description("make a folder a version, and move an alias to a version; also into a running server")
    .argument("<store>").argument("<source>", "an alias, a version, or a folder in the Hugging Face layout")
    .option("--alias <name>", "alias to move", "champion")
    .option("--expected <ref>", "move it only if it names this version now")
    .option("--server <url>", "a running server of this store")
    .option("--key-file <file>", "the server's key (default: in $LOCKSTEP_HOME)")
    .option("--json", "the result as JSON on standard output")
    .action(async (store: string, source: string, { json, ...options }: { json?: true; alias: string; expected?: string; server?: string; keyFile?: string }) => {
      const output = createOutput(json === true);
      const result = await publish(store, source, options);
      output.result(result);
      output.print(`${result.alias ?? "no alias"} → ${result.version}${result.previous === undefined || result.previous === result.version ? "" : ` (before: ${result.previous.slice(0, 12)})`}${result.server === undefined ? "" : `, served at ${result.server}`}`);
    });
}
