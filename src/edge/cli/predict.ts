/** `lockstep predict`: answers to texts, in their order, as they come. */
import type { Command } from "commander";
import {
  askTexts,
  loadModel,
  mainTask,
  textsOf,
  type AskOptions,
  type Model,
  type Question,
  type TaskName,
} from "../api/index.ts";
import { formatCount, formatDuration, LockstepError } from "../../base/index.ts";
import { addModelFlags, integer, MODEL_ARGUMENT, type ModelFlags } from "./flags.ts";
import { shown, viewOf } from "./answers.ts";
import { createOutput, FailedMidway, type Output } from "./output.ts";
import { onInterrupt } from "./signals.ts";

interface PredictFlags extends ModelFlags {
  readonly file?: string;
  readonly text?: string;
  readonly top: number;
  readonly csv?: true;
}

export function addPredict(program: Command): void {
  addModelFlags(
    program
      .command("predict")
      .description("ask a version about texts")
      .argument(...MODEL_ARGUMENT)
      .argument("[texts...]"),
  )
    .option("--file <file>", "a table (.csv, .tsv, .jsonl), or a file with a text a line; - is standard input")
    .option("--text <column>", "with a table: the column of the text")
    .option("--top <k>", "labels to list", integer(1, 1000), 3)
    .option("--csv", "a line of CSV a text, after a line of column names")
    .option("--json", "a line of JSON a text")
    .addHelpText(
      "after",
      `
Examples:
  lockstep predict ./models/mine "Where is my card?"
  lockstep predict ./models/mine --file questions.csv --text question --csv > answers.csv
  tail -f questions.txt | lockstep predict ./models/mine --file - --json`,
    )
    .action(async (path: string, texts: string[], { file, text: column, top, csv, json, ...options }: PredictFlags) => {
      if (texts.length === 0 && file === undefined)
        throw new LockstepError(
          "OPTION_INVALID",
          "there is no text; give one or more, a file with --file, or --file - for standard input",
        );
      if (texts.length > 0 && file !== undefined)
        throw new LockstepError("OPTION_INVALID", "give texts or --file, not both");
      if (json === true && csv === true) throw new LockstepError("OPTION_INVALID", "give --json or --csv, not both");
      if (column !== undefined && file === undefined)
        throw new LockstepError("OPTION_INVALID", "--text names a column of the table that --file gives");
      const output = createOutput(json === true);
      using interrupted = onInterrupt(output.note, "stopping");
      await using model = await loadModel(path, options);
      const source = file === undefined ? texts : await textsOf(file, column, interrupted.signal, model);
      const started = performance.now();
      const signal = interrupted.signal;
      const count = await answerAll(model, mainTask(model.info), source, { top, signal }, output, csv === true);
      if (file !== undefined)
        output.note(
          `${formatCount(count)} ${count === 1 ? "text" : "texts"} in ${formatDuration(performance.now() - started)}`,
        );
    });
}

async function answerAll<T extends TaskName>(
  model: Model,
  task: T,
  texts: Iterable<string> | AsyncIterable<string>,
  { top, signal }: { readonly top: number | undefined; readonly signal: AbortSignal },
  output: Output,
  csv: boolean,
): Promise<number> {
  const { columns, rows, lines, json, options } = viewOf(task);
  let count = 0;
  if (csv) process.stdout.write(`${columns.join(",")}\n`);
  try {
    for await (const answer of askTexts(model, task, texts, { ...options(top), signal } as AskOptions<T>)) {
      count++;
      const { question, ...rest } = answer;
      output.result({ ...asked(question), ...json(rest) });
      if (csv)
        process.stdout.write(
          rows(answer)
            .map((cells) => `${cells.map(cellOf).join(",")}\n`)
            .join(""),
        );
      else print(shown(question), lines(answer), output);
      await output.drained();
    }
  } catch (thrown) {
    throw count === 0 ? thrown : new FailedMidway(`after ${count} answers`, { cause: thrown });
  }
  return count;
}

function asked(question: Question<TaskName>): object {
  return typeof question === "string" ? { text: question } : question;
}

function print(question: string, lines: readonly string[], output: Output): void {
  output.print(question);
  for (const line of lines) output.print(`  ${line}`);
}

function cellOf(cell: string | number | boolean): string {
  return typeof cell === "string" ? quoted(cell) : String(cell);
}

function quoted(cell: string): string {
  return /[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
