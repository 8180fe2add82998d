/** `lockstep train`: a table in, a published version out. */
import { Option, type Command } from "commander";
import { completeRecipeFile, mergeRecipeFiles, readRecipeFile, train, trainArguments, type RecipeFile, type RecipeInput, type TrainResult } from "../api/index.ts";
import { createOutput, withInterval, type Output } from "./output.ts";
import { integer, setting } from "./parse.ts";
import { ProgressDisplay } from "./progress.ts";
import { onInterrupt } from "./signals.ts";

export interface TrainFlags {
  readonly data?: string; readonly text?: string; readonly label?: string; readonly test?: string; readonly from?: string; readonly out?: string; readonly alias?: string;
  readonly threads?: number; readonly seed?: number; readonly executor?: "native" | "portable"; readonly recipe?: string; readonly set?: Record<string, unknown>;
  readonly resume?: true; readonly baseline?: true; readonly digests?: true; readonly printRecipe?: true; readonly json?: true;
}

export function addTrain(program: Command): void {
  addTrainFlags(program.command("train").description("train a classifier on a table of texts and publish it as a version"))
    .addOption(new Option("--task <task>", "what to train").choices(["classify"]).default("classify"))
    .option("--resume", "go on from the last checkpoint of this recipe")
    .option("--baseline", "with --test: also train a linear model and measure it on the same table")
    .option("--digests", "print the SHA-256 of weights and optimizer state after every step")
    .option("--print-recipe", "print the complete recipe file and exit")
    .addHelpText("after", `
Examples:
  lockstep train --data questions.csv --text question --label intent --out ./models/mine
  lockstep train --data questions.csv --from ./all-MiniLM-L6-v2 --set finetune.epochs=3
  lockstep train --recipe recipe.json --threads 4 --resume

Ctrl-C saves a checkpoint and exits with 130; the same command with --resume goes on.`)
    .action(async (flags: TrainFlags) => {
      const output = createOutput(flags.json === true);
      const file = await recipeOf(flags);
      if (flags.printRecipe === true) {
        process.stdout.write(`${JSON.stringify(completeRecipeFile(file), null, 2)}\n`);
        return;
      }
      const { input, options } = await trainArguments(file);
      using interrupted = onInterrupt(output.note, "stopping after this step and saving a checkpoint");
      const display = new ProgressDisplay();
      try {
        const result = await train(input, { ...options, digests: flags.digests === true, signal: interrupted.signal, onProgress: (event) => { display.onProgress(event); } });
        display.clear();
        printTrained(output, result);
        output.result(result);
      } finally {
        display.clear();
      }
    });
}

/** The flags that `train` and `start` share. */
export function addTrainFlags(command: Command): Command {
  return command
    .option("--data <file>", "CSV or JSON-lines file of texts and labels")
    .option("--text <column>", "column of the text (default: text, sentence, question …)")
    .option("--label <column>", "column of the label (default: label, intent, category …)")
    .option("--test <file>", "table to measure the version on")
    .option("--from <folder>", "BERT folder in the Hugging Face layout, or a store, to fine-tune")
    .option("--out <store>", "store that the version is published into")
    .option("--alias <name>", "alias that is moved to the version (default: champion)")
    .option("--threads <k>", "worker threads; they decide how long it takes, never what comes out (default: all cores)", integer(1, 256))
    .option("--seed <n>", "seed of everything random", integer(0, Number.MAX_SAFE_INTEGER))
    .addOption(new Option("--executor <name>", "arithmetic: full speed, or the same bits on every CPU").choices(["native", "portable"]))
    .option("--recipe <file>", "recipe file; flags go before it")
    .option("--set <name=value>", "any setting of the recipe, such as pretrain.epochs=3; may be repeated", setting)
    .option("--json", "the result as JSON on standard output");
}

/** Flags go before the file, the file before defaults. */
export async function recipeOf({ recipe, data, text, label, test, from, out, alias, threads, seed, executor, set, resume, baseline }: TrainFlags): Promise<RecipeFile> {
  const file = recipe === undefined ? {} : await readRecipeFile(recipe);
  const settings = { ...set, ...(seed === undefined ? {} : { seed }), ...(executor === undefined ? {} : { executor }) } as RecipeInput;
  return mergeRecipeFiles({ recipe: settings, run: { data, text, label, test, from, out, alias, threads, resume, baseline } }, file);
}

export function printTrained(output: Output, { metrics, weightsSha256, version, folder, alias, seconds, steps }: TrainResult): void {
  if (metrics.validation !== undefined) output.print(`validation accuracy  ${withInterval(metrics.validation.accuracy)} of ${metrics.validation.accuracy.total}`);
  if (metrics.test !== undefined) output.print(`test accuracy        ${withInterval(metrics.test.accuracy)} of ${metrics.test.accuracy.total}`);
  if (metrics.baseline !== undefined) output.print(`linear baseline      ${withInterval(metrics.baseline.accuracy)} (${metrics.baseline.name})`);
  output.print(`weights SHA-256      ${weightsSha256}`);
  output.print(`version              ${version} (${alias})`);
  output.print(`folder               ${folder}`);
  output.print(`${steps} steps in ${seconds.toFixed(0)} s`);
}
