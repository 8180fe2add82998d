/**
 * What is measured of a trained model before it is published, in the form it will be served in: its calibration and its
 * figures on the validation split, its figures on the test table, and of a classifier a linear baseline beside them.
 */
import { seedFrom } from "../../base/index.ts";
import { labelIds, requireLabels, type Table } from "../../language/data/index.ts";
import {
  accuracy,
  calibrationFrom,
  keptOf,
  measuredBy,
  readMeasured,
  rolesOf,
  rowsOn,
  runLinearBaseline,
  shareOf,
  type MeasuredTask,
  type RowOf,
} from "../../work/evaluate/index.ts";
import type { Calibration, VersionTask } from "../../work/infer/index.ts";
import { Model } from "../../work/model/index.ts";
import { requireTask, type Recipe } from "../../work/train/index.ts";
import type { Prepared } from "./prepare.ts";
import type { Stage, TrainInput } from "./train-options.ts";
import type { DataSource } from "./train-rows.ts";
import type { Metrics } from "./version-files.ts";

export interface AssessOptions {
  readonly threads: number;
  readonly test: Table | undefined;
  readonly baseline: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onStage: (stage: Stage) => void;
  readonly warn: (message: string) => void;
}

/** By what a version is made for. */
interface Assessed {
  /**
   * Whether what is held out of the training table says how good the version is: pairs that belong together have no
   * scores, and a masked model needs a row of tokens for each token, which takes longer than it says.
   */
  readonly validation: boolean;
  /** What it has before anything was measured. */
  readonly calibration: Calibration;
}

const NONE: Calibration = { temperature: 1, threshold: 0 };

const ASSESSED: { readonly [V in VersionTask]: Assessed } = {
  classify: { validation: true, calibration: NONE },
  // of several labels, those that are likelier than not are given
  "multi-label": { validation: true, calibration: { temperature: 1, threshold: 0.5 } },
  score: { validation: true, calibration: NONE },
  "token-classify": { validation: true, calibration: NONE },
  embed: { validation: false, calibration: NONE },
  "masked-lm": { validation: false, calibration: NONE },
  "causal-lm": { validation: true, calibration: NONE },
};

/** What a version of this recipe has before anything was measured of it. */
export function uncalibrated(recipe: Recipe): Calibration {
  return ASSESSED[requireTask(recipe)].calibration;
}

/** The test table, in which every answer has to be one that the version can give; that is seen when it is measured. */
export async function readTest(
  test: DataSource,
  input: TrainInput,
  { labels, recipe, table }: Prepared,
  signal: AbortSignal | undefined,
): Promise<Table> {
  const task = measuredBy(requireTask(recipe));
  const { text, label, columns = {} } = input;
  const own = Object.fromEntries(rolesOf(task).map((role) => [role, columns[role]]));
  const read = await readMeasured(task, test, { text, label, columns: own, trained: table.columns }, signal);
  if (task === "classify") labelIds(requireLabels(read).labels, labels, read);
  return read;
}

/** `files` is the version with no calibration. */
export async function assess(
  prepared: Prepared,
  files: ReadonlyMap<string, Uint8Array>,
  { threads, test, baseline, signal, onStage, warn }: AssessOptions,
): Promise<{ calibration: Calibration; metrics: Metrics }> {
  const { recipe, split, table } = prepared;
  const made = requireTask(recipe);
  const task = measuredBy(made);
  const held = split.validation;
  if (test === undefined && held.length === 0)
    warn("nothing was held out, so nothing says how good this version is; give a test table, or more texts");
  const isValidated = ASSESSED[made].validation && held.length > 0;
  if (isValidated) onStage("calibrate");
  await using model = await Model.open({ name: "0".repeat(64), files }, { threads, executor: recipe.executor });
  const rowsFor = <T extends MeasuredTask>(name: T, of: Table): Promise<readonly RowOf<T>[]> =>
    rowsOn(name, of, model.info, { outcomesOf: (questions) => model.outputs(name, questions, signal) });
  const rows = isValidated ? await rowsFor(task, rowsOfTable(table, held)) : [];
  const calibration =
    (ASSESSED[made].validation
      ? calibrationFrom(task, rows, model.info, { targetAccuracy: recipe.target_accuracy, warn })
      : undefined) ?? uncalibrated(recipe);
  const version = { ...model.info, calibration };
  const validation = isValidated ? keptOf(task, rows, version, "validation") : undefined;
  if (test !== undefined) onStage("test");
  const tested = test === undefined ? undefined : keptOf(task, await rowsFor(task, test), version, "test");
  if (test !== undefined && baseline) onStage("baseline");
  const linear = test === undefined || !baseline ? undefined : await measureBaseline(prepared, test, signal);
  return {
    calibration,
    metrics: {
      ...(validation === undefined ? {} : { validation }),
      ...(tested === undefined ? {} : { test: { ...tested, data_sha256: test!.sha256 } }),
      ...(linear === undefined ? {} : { baseline: linear }),
    },
  };
}

/** Some of a table's rows. */
function rowsOfTable(table: Table, rows: readonly number[]): Table {
  const some = (cells: readonly string[]): string[] => rows.map((row) => cells[row]!);
  return {
    ...table,
    texts: some(table.texts),
    labels: table.labels === undefined ? undefined : some(table.labels),
    cells: Object.fromEntries(Object.entries(table.cells).map(([role, cells]) => [role, some(cells)])),
    lines: Int32Array.from(rows, (row) => table.lines[row]!),
  };
}

async function measureBaseline(
  { table, split, labelIds: ids, labels, recipe }: Prepared,
  test: Table,
  signal: AbortSignal | undefined,
): Promise<NonNullable<Metrics["baseline"]>> {
  const rows = [...split.train, ...split.validation]; // it has no use for a validation split
  const predicted = await runLinearBaseline(
    {
      texts: rows.map((row) => table.texts[row]!),
      labels: Int32Array.from(rows, (row) => ids[row]!),
      numClasses: labels.length,
      seed: seedFrom(recipe.seed),
      predict: test.texts,
    },
    signal === undefined ? {} : { signal },
  );
  const expected = labelIds(requireLabels(test).labels, labels, test);
  return { name: "TF-IDF of words and word pairs, linear SVM", accuracy: shareOf(accuracy(predicted, expected)) };
}
