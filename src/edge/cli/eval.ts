/** `lockstep eval`: a version measured on a table of right answers. */
import { Option, type Command } from "commander";
import { evaluate, MEASURED_TASKS, ROLES, type Evaluation, type MeasuredTask } from "../api/index.ts";
import { formatDuration } from "../../base/index.ts";
import { addModelFlags, columnOf, integer, JSON_FLAG, MODEL_ARGUMENT, type ModelFlags } from "./flags.ts";
import { Counter } from "./counter.ts";
import { createOutput, type Output } from "./output.ts";
import { reportLines } from "./reports.ts";
import { onInterrupt } from "./signals.ts";

interface EvalFlags extends ModelFlags {
  readonly data: string;
  readonly task?: MeasuredTask;
  readonly text?: string;
  readonly label?: string;
  readonly column?: Readonly<Record<string, string>>;
  readonly confusions?: number;
}

export function addEval(program: Command): void {
  addModelFlags(
    program
      .command("eval")
      .description("measure a version on a table of right answers")
      .argument(...MODEL_ARGUMENT),
  )
    .requiredOption("--data <file>", "table: .csv, .jsonl, .conll; of texts alone also .txt, paragraphs")
    .addOption(
      new Option("--task <task>", "what to measure (default: what the version was made for)").choices(MEASURED_TASKS),
    )
    .option("--text <column>", "column of the text, or of the query (default: text, sentence, question, query …)")
    .option("--label <column>", "of classify: column of the label (default: label, intent, category …)")
    .option("--column <role=name>", `a further column: ${ROLES.join(", ")}; may be repeated`, columnOf)
    .option("--confusions <n>", "most frequent mistakes to list (default: 10)", integer(0, 10_000))
    .option(...JSON_FLAG)
    .addHelpText(
      "after",
      `
What a table has beside its text:
  classify        a label                       accuracy, macro-F1, calibration, mistakes
  multi-label     labels (a JSON list, or a|b)  micro- and macro-F1, exact match, calibration
  score           a score; a second text        Pearson, Spearman, R squared, mean errors
  rerank          a second text and its score,  MRR, nDCG; rows with one text are documents
                  0 or more                     of one query
  token-classify  a tag a word, or CoNLL        entity F1 as conlleval counts it
  similarity      a second text and a score     Spearman, Pearson (versions made to embed)
  perplexity      nothing                       perplexity of a token and a word, bits a byte
  fill-mask       the answer of each mask       accuracy, MRR, perplexity

Every figure has a 95 % interval: Wilson's of a share of texts, the bootstrap's of all others.

Examples:
  lockstep eval ./models/mine --data test.csv --version challenger
  lockstep eval ./all-MiniLM-L6-v2 --data sts.csv --column second=sentence2 --column score=score
  lockstep eval ./cross-encoder --task rerank --data judged.jsonl --text query --json`,
    )
    .action(async (path: string, { data, task, text, label, column, confusions, json, ...options }: EvalFlags) => {
      const output = createOutput(json === true);
      using interrupted = onInterrupt(output.note, "stopping");
      using counter = new Counter("questions");
      const { signal } = interrupted;
      const onProgress = counter.show;
      const asked = { data, task, text, label, columns: column, confusions, signal, onProgress };
      const report = await evaluate(path, asked, options);
      counter.clear();
      output.result(report);
      printReport(report, output);
    });
}

function printReport(report: Evaluation, output: Output): void {
  const { figures, mistakes } = reportLines(report);
  output.print(`version              ${report.version}`);
  output.print(`measured             ${report.task}, ${report.data.rows} rows`);
  for (const line of figures) output.print(line);
  output.print(`time                 ${formatDuration(report.seconds * 1000)}`);
  if (mistakes.length > 0) output.print("most frequent mistakes");
  for (const line of mistakes) output.print(`  ${line}`);
}
