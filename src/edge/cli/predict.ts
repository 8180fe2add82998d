/** `lockstep predict`: answers to questions of any task, in their order, as they come. */
import { InvalidArgumentError, Option, type Command } from "commander";
import {
  askEach,
  loadModel,
  mainTask,
  questionsOfFile,
  questionsOfTexts,
  TASK_NAMES,
  type AskOptions,
  type Model,
  type Question,
  type TaskName,
} from "../api/index.ts";
import { formatCount, formatDuration, LockstepError } from "../../base/index.ts";
import { shown, viewOf, type OwnOptions } from "./answers.ts";
import { Counter } from "./counter.ts";
import { addModelFlags, integer, MODEL_ARGUMENT, share, type ModelFlags } from "./flags.ts";
import { createOutput, FailedMidway, type Output } from "./output.ts";
import { onInterrupt } from "./signals.ts";
import { VectorsFile } from "./vectors-file.ts";

interface PredictFlags extends ModelFlags, OwnOptions {
  readonly task?: TaskName;
  readonly pair?: string;
  readonly query?: string;
  readonly file?: string;
  readonly text?: string;
  readonly second?: string;
  readonly separator?: string;
  readonly jsonl?: true;
  readonly vectors?: string;
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
    .addOption(
      new Option("--task <task>", "what to ask (default: the first that the version answers)").choices(TASK_NAMES),
    )
    .option("--pair <text>", "a second text, of each of the texts")
    .option("--query <text>", "with rerank: the query of which the texts are documents")
    .option("--file <file>", "a table (.csv, .tsv, .jsonl), or a file with a text a line; - is standard input")
    .option("--text <column>", "with a table: the column of the text, or of the query")
    .option("--second <column>", "with a table: the column of the second text, or of the document")
    .option("--separator <text>", "with lines: what stands between two texts; \\t is a tab", separatorOf)
    .option("--jsonl", "with --file: each line is a question as JSON, read as it comes")
    .option("--top <k>", "labels, documents or words to list (default: 3; of rerank all)", integer(1, 1000))
    .option("--threshold <p>", "of multi-label: the probability from which on a label is given", share)
    .option("--dimensions <n>", "of embed: the first so many numbers of each vector", integer(1, 65_536))
    .option("--vectors <file>", "of embed: write all vectors as float32 into a .npy or .f32 file")
    .option("--csv", "a line of CSV an answer, after a line of column names")
    .option("--json", "a line of JSON a question")
    .addHelpText(
      "after",
      `
Examples:
  lockstep predict ./models/mine "Where is my card?"
  lockstep predict ./models/mine --file questions.csv --text question --csv > answers.csv
  tail -f questions.txt | lockstep predict ./models/mine --file - --json
  lockstep predict ./nli "A man sleeps." --pair "A man is awake."
  lockstep predict ./encoder --task similarity --file pairs.tsv --text first --second other --csv
  lockstep predict ./encoder --file texts.txt --vectors texts.npy --dimensions 128
  lockstep predict ./cross-encoder --task rerank --query "lost card" "I lost it." "Opening hours"
  lockstep predict ./bert "Paris is the [MASK] of France." --top 5
  lockstep predict ./bert --task perplexity --file texts.txt --csv`,
    )
    .action(async (path: string, texts: string[], flags: PredictFlags) => {
      checkFlags(texts, flags);
      const { task: named, file, json, csv, vectors, version, threads, executor } = flags;
      const output = createOutput(json === true);
      using interrupted = onInterrupt(output.note, "stopping");
      const { signal } = interrupted;
      await using model = await loadModel(path, { version, threads, executor });
      const task = named ?? mainTask(model.info);
      const options = { ...optionsOf(task, flags), signal } as AskOptions<TaskName>;
      const questions = await questionsOf(task, texts, flags, { model, signal });
      const started = performance.now();
      await using vectorsFile = vectors === undefined ? undefined : await VectorsFile.create(vectors);
      const count = await answerAll(model, task, questions, options, { output, csv: csv === true, vectorsFile });
      await vectorsFile?.finish();
      if (file !== undefined)
        output.note(
          `${formatCount(count)} ${count === 1 ? "text" : "texts"} in ${formatDuration(performance.now() - started)}`,
        );
    });
}

/** What a shell cannot easily say. */
function separatorOf(text: string): string {
  const separator = text.replaceAll("\\t", "\t");
  if (separator === "") throw new InvalidArgumentError("expected what stands between two texts.");
  return separator;
}

/** @throws OPTION_INVALID: flags that do not go together */
function checkFlags(texts: readonly string[], flags: PredictFlags): void {
  const { task, file, pair, query, json, csv, text, second, separator, jsonl, vectors } = flags;
  const refuse = (message: string): never => {
    throw new LockstepError("OPTION_INVALID", message);
  };
  if (texts.length === 0 && file === undefined)
    refuse("there is no text; give one or more, a file with --file, or --file - for standard input");
  if (texts.length > 0 && file !== undefined) refuse("give texts or --file, not both");
  if (json === true && csv === true) refuse("give --json or --csv, not both");
  if (text !== undefined && file === undefined) refuse("--text names a column of the table that --file gives");
  if (second !== undefined && file === undefined) refuse("--second names a column of the table that --file gives");
  if (separator !== undefined && file === undefined)
    refuse("--separator parts the lines of the file that --file gives");
  if (jsonl === true && file === undefined) refuse("--jsonl says how the file that --file gives is read");
  if (file !== undefined && (pair !== undefined || query !== undefined))
    refuse("--pair and --query go with texts; of a file, name the column with --second, or give --separator");
  if (query !== undefined && task !== "rerank") refuse("--query goes with --task rerank; a second text is --pair");
  if (pair !== undefined && task === "rerank") refuse("with --task rerank, give --query, and documents as texts");
  if (vectors !== undefined && csv === true) refuse("give --vectors or --csv, not both");
}

/** @throws OPTION_INVALID: a flag that says nothing to this task */
function optionsOf(task: TaskName, flags: PredictFlags): object {
  const { takes, options } = viewOf(task);
  const { top, threshold, dimensions, vectors } = flags;
  for (const [name, value] of Object.entries({ top, threshold, dimensions }))
    if (value !== undefined && !takes.some((taken) => taken === name))
      throw new LockstepError("OPTION_INVALID", `--${name} says nothing to ${task}`, { task });
  if (vectors !== undefined && task !== "embed")
    throw new LockstepError("OPTION_INVALID", `--vectors is for embed, and ${task} is what is asked`, { task });
  return options({ top, threshold, dimensions });
}

async function questionsOf(
  task: TaskName,
  texts: readonly string[],
  { file, pair, query, text, second, separator, jsonl }: PredictFlags,
  from: { readonly model: Model; readonly signal: AbortSignal },
): Promise<Iterable<Question<TaskName>> | AsyncIterable<Question<TaskName>>> {
  return file === undefined
    ? questionsOfTexts(task, texts, query ?? pair)
    : await questionsOfFile(task, file, { text, second, separator, jsonl }, from);
}

interface Shown {
  readonly output: Output;
  readonly csv: boolean;
  readonly vectorsFile: VectorsFile | undefined;
}

async function answerAll<T extends TaskName>(
  model: Model,
  task: T,
  questions: Iterable<Question<T>> | AsyncIterable<Question<T>>,
  options: AskOptions<T>,
  { output, csv, vectorsFile }: Shown,
): Promise<number> {
  const { columns, rows, lines, json } = viewOf(task);
  const isQuiet = vectorsFile !== undefined && !output.json;
  let count = 0;
  // a line that updates would stand among the answers
  using counter = isQuiet || !process.stdout.isTTY ? new Counter("answers") : undefined;
  if (csv) process.stdout.write(`${columns.join(",")}\n`);
  try {
    for await (const answer of askEach(model, task, questions, options)) {
      count++;
      const { question, ...rest } = answer;
      if ("embedding" in answer) await vectorsFile?.add(answer.embedding);
      output.result({ ...asked(question), ...json(rest) });
      if (csv)
        process.stdout.write(
          rows(answer)
            .map((cells) => `${cells.map(cellOf).join(",")}\n`)
            .join(""),
        );
      else if (!isQuiet) print(shown(question), lines(answer), output);
      counter?.show(count, Array.isArray(questions) ? questions.length : undefined);
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
