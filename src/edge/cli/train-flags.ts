/** The flags that `train` and `start` share: flags go before the recipe file, the file before defaults. */
import { InvalidArgumentError, Option, type Command } from "commander";
import {
  mergeRecipeFiles,
  readRecipeFile,
  ROLES,
  TABLE_FORMATS,
  TRAINED_TASKS,
  type RecipeFile,
  type RecipeInput,
  type RunSettings,
} from "../api/index.ts";
import { columnOf, executorOption, integer, JSON_FLAG, setting, type Executor } from "./flags.ts";

export interface TrainFlags {
  readonly data?: string;
  readonly text?: string;
  readonly label?: string;
  readonly column?: Readonly<Record<string, string>>;
  readonly format?: NonNullable<RunSettings["format"]>;
  readonly domainTexts?: string;
  readonly phase?: NonNullable<RunSettings["phases"]>;
  readonly task?: string;
  readonly test?: string;
  readonly from?: string;
  readonly teacher?: string;
  readonly out?: string;
  readonly alias?: string;
  readonly threads?: number;
  readonly seed?: number;
  readonly executor?: Executor;
  readonly recipe?: string;
  readonly set?: Record<string, unknown>;
  readonly resume?: true;
  readonly baseline?: true;
  readonly digests?: true;
  readonly printRecipe?: true;
  readonly json?: true;
}

/** `0.data=texts.txt` onto the tables of phases so far. */
function phaseOf(text: string, gathered: Tables = {}): Tables {
  const [, place, name, value] = /^(\d{1,2})\.([a-z]+)=(.+)$/s.exec(text) ?? [];
  const isRole = ROLES.some((role) => role === name);
  if (place === undefined || name === undefined || !(isRole || TABLE_FIELDS.includes(name)))
    throw new InvalidArgumentError(
      `expected PLACE.FIELD=VALUE, such as 0.data=texts.txt, with a field of ${TABLE_FIELDS.join(", ")}, ` +
        `${ROLES.join(", ")}.`,
    );
  const before = gathered[place] ?? {};
  const own = isRole ? { columns: { ...before.columns, [name]: value } } : { [name]: value };
  return { ...gathered, [place]: { ...before, ...own } };
}

type Tables = NonNullable<RunSettings["phases"]>;
const TABLE_FIELDS: readonly string[] = ["data", "text", "label", "format"];

export function addTrainFlags(command: Command): Command {
  return command
    .option("--data <file>", "CSV or JSON-lines file of texts and labels")
    .option("--text <column>", "column of the text (default: text, sentence, question …)")
    .option("--label <column>", "column of the label (default: label, intent, category …)")
    .option("--column <role=name>", `a further column: ${ROLES.join(", ")}; may be repeated`, columnOf)
    .addOption(new Option("--format <name>", "what a row of the file is (default: by its name)").choices(TABLE_FORMATS))
    .option("--domain-texts <file>", "texts without labels, to be learned first; the phases before the last read them")
    .option(
      "--phase <place.field=value>",
      "a table of one phase alone, such as 0.data=texts.txt; may be repeated",
      phaseOf,
    )
    .addOption(new Option("--task <task>", "what the version is to answer (default: classify)").choices(TRAINED_TASKS))
    .option("--test <file>", "table to measure the version on")
    .option("--from <folder>", "BERT folder in the Hugging Face layout, or a store, to fine-tune")
    .option("--teacher <folder>", "a version, a store or a model folder to learn from (distillation)")
    .option("--out <store>", "store that the version is published into (default: ./models)")
    .option("--alias <name>", "alias that is moved to the version (default: champion)")
    .option(
      "--threads <k>",
      "worker threads; they decide how long it takes, never what comes out (default: all cores)",
      integer(1, 256),
    )
    .option("--seed <n>", "seed of everything random", integer(0, Number.MAX_SAFE_INTEGER))
    .addOption(executorOption("arithmetic: full speed, or the same bits on every CPU (default: native)"))
    .option("--recipe <file>", "recipe file; flags go before it")
    .option("--set <name=value>", "any setting of the recipe, such as phases.1.epochs=3; may be repeated", setting)
    .option(...JSON_FLAG);
}

/** `warn`: of what is read otherwise than it was written. */
export async function recipeOf(flags: TrainFlags, warn: (message: string) => void): Promise<RecipeFile> {
  const { recipe, data, text, label, column: columns, test, from, teacher } = flags;
  const { out, alias, threads, resume, baseline } = flags;
  const { task, seed, executor, set, format, phase: phases, domainTexts: domain_texts } = flags;
  const file = recipe === undefined ? {} : await readRecipeFile(recipe, warn);
  const settings = {
    ...set,
    ...(task === undefined ? {} : { task }),
    ...(seed === undefined ? {} : { seed }),
    ...(executor === undefined ? {} : { executor }),
  } as RecipeInput;
  const run = { data, text, label, columns, format, domain_texts, phases, test, from, teacher, out, alias, threads };
  return mergeRecipeFiles({ recipe: settings, run: { ...run, resume, baseline } }, file);
}
