/** `lockstep train`: a table in, a published version out. */
import type { Command } from "commander";
import { completeRecipeFile, formatDuration, train, trainArguments, type TrainResult } from "../api/index.ts";
import { commandName, createOutput, withInterval, type Output } from "./output.ts";
import { figure as figureText, ProgressDisplay } from "./progress.ts";
import { keptLines } from "./reports.ts";
import { onInterrupt } from "./signals.ts";
import { addTrainFlags, recipeOf, type TrainFlags } from "./train-flags.ts";

export function addTrain(program: Command): void {
  addTrainFlags(
    program.command("train").description("train a classifier on a table of texts and publish it as a version"),
  )
    .option("--resume", "go on from the last checkpoint of this recipe")
    .option("--baseline", "with --test: also train a linear model and measure it on the same table")
    .option("--digests", "print the SHA-256 of weights and optimizer state after every step")
    .option("--print-recipe", "print the complete recipe file and exit")
    .addHelpText(
      "after",
      `
Examples:
  lockstep train --data questions.csv --text question --label intent --out ./models/mine
  lockstep train --data labels.csv --domain-texts abstracts.txt --from ./all-MiniLM-L6-v2
  lockstep train --data questions.csv --from ./all-MiniLM-L6-v2 --set phases.1.epochs=3
  lockstep train --data questions.csv --print-recipe > recipe.json
  lockstep train --recipe recipe.json --threads 4 --resume

Ctrl-C saves a checkpoint and exits with 130; the same command with --resume goes on.`,
    )
    .action(async (flags: TrainFlags) => {
      const output = createOutput(flags.json === true);
      const display = new ProgressDisplay();
      const file = await recipeOf(flags, display.warn);
      if (flags.printRecipe === true) {
        process.stdout.write(`${JSON.stringify(completeRecipeFile(file), null, 2)}\n`);
        return;
      }
      const { input, options } = await trainArguments(file);
      using interrupted = onInterrupt(display.line, "stopping after this step");
      try {
        const result = await train(input, {
          ...options,
          digests: flags.digests === true,
          signal: interrupted.signal,
          onProgress: (event) => {
            display.onProgress(event);
          },
        });
        display.clear();
        output.result(result);
        printTrained(output, result);
        output.print(`try it: ${commandName()} predict ${result.store} "…"`);
      } finally {
        display.clear();
      }
    });
}

export function printTrained(
  output: Output,
  { metrics, figure, weightsSha256, version, folder, alias, seconds, steps }: TrainResult,
): void {
  if (metrics.validation === undefined && figure !== undefined)
    output.print(`validation           ${figureText(figure)}; ${figure.examples} texts held out`);
  for (const line of keptLines("validation", metrics.validation)) output.print(line);
  for (const line of keptLines("test", metrics.test)) output.print(line);
  if (metrics.baseline !== undefined)
    output.print(`linear baseline      ${withInterval(metrics.baseline.accuracy)} (${metrics.baseline.name})`);
  output.print(`weights SHA-256      ${weightsSha256}`);
  output.print(`version              ${version} (${alias})`);
  output.print(`folder               ${folder}`);
  output.print(`${steps} steps, ${formatDuration(seconds * 1000)} in all`);
}
