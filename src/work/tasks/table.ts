/** Every task, by its name. To add one: a file like `classify.ts`, a line in each of the two lists here. */
import { invariant, LockstepError } from "../../base/index.ts";
import { classify, type ClassifyTypes } from "./classify.ts";
import { embed, type EmbedTypes } from "./embed.ts";
import { fillMask, type FillMaskTypes } from "./fill-mask.ts";
import { multiLabel, type MultiLabelTypes } from "./multi-label.ts";
import { perplexity, type PerplexityTypes } from "./perplexity.ts";
import { rerank, type RerankTypes } from "./rerank.ts";
import { score, type ScoreTypes } from "./score.ts";
import { similarity, type SimilarityTypes } from "./similarity.ts";
import { tokenClassify, type TokenClassifyTypes } from "./token-classify.ts";
import type { Answered, Recalled, Task, TaskFacts } from "./task.ts";

/** The types of each task. */
export interface TypesOf {
  readonly classify: ClassifyTypes;
  readonly "multi-label": MultiLabelTypes;
  readonly score: ScoreTypes;
  readonly rerank: RerankTypes;
  readonly "token-classify": TokenClassifyTypes;
  readonly embed: EmbedTypes;
  readonly similarity: SimilarityTypes;
  readonly "fill-mask": FillMaskTypes;
  readonly perplexity: PerplexityTypes;
}

export type TaskName = keyof TypesOf;

export const TASKS: { readonly [T in TaskName]: Task<T, TypesOf[T]> } = {
  classify,
  "multi-label": multiLabel,
  score,
  rerank,
  "token-classify": tokenClassify,
  embed,
  similarity,
  "fill-mask": fillMask,
  perplexity,
};

export const TASK_NAMES = Object.keys(TASKS) as readonly TaskName[];

export type Question<T extends TaskName> = TypesOf[T]["question"];
export type TaskOptions<T extends TaskName> = TypesOf[T]["asked"];
/** An answer of the task, with where it comes from. */
export type AnswerOf<T extends TaskName> = Answered<TypesOf[T]["answer"]>;

/** @throws INPUT_INVALID: there is no such task */
export function taskNamed(name: unknown): TaskName {
  const found = TASK_NAMES.find((known) => known === name);
  if (found !== undefined) return found;
  const given = typeof name === "string" ? JSON.stringify(name.slice(0, 60)) : typeof name;
  throw new LockstepError("INPUT_INVALID", `there is no task ${given}; tasks are ${TASK_NAMES.join(", ")}`);
}

/** @throws INPUT_INVALID, INPUT_TOO_LARGE naming the question by its place, counted from `first` */
export function checkQuestions<T extends TaskName>(
  name: T,
  questions: readonly unknown[],
  first = 0,
): asserts questions is readonly Question<T>[] {
  const task: Task<T, TypesOf[T]> = TASKS[name];
  if (questions.length === 0) throw new LockstepError("INPUT_INVALID", `there is no ${task.noun} to ${name}`);
  questions.forEach((question, index) => {
    task.check(question, questions.length === 1 ? `the ${task.noun}` : `${task.noun} ${first + index}`);
  });
}

/** Rows of tokens that the questions are. */
export function rowsOf<T extends TaskName>(task: T, questions: readonly Question<T>[]): number {
  return questions.reduce((sum: number, question) => sum + TASKS[task].rows(question), 0);
}

/** The tasks that the version has answers to, in the order of the table. */
export function tasksOf(version: TaskFacts): readonly TaskName[] {
  return TASK_NAMES.filter((name) => TASKS[name].refusal(version) === undefined);
}

/** The task that is meant where none is named: the first one that the version has answers to. */
export function mainTask(version: TaskFacts): TaskName {
  const [found] = tasksOf(version);
  invariant(found !== undefined, `a version made for ${version.task} has answers to something`);
  return found;
}

/** The first task of the version that any text is a question of: what it is checked by, and tried with. */
export function textTask(version: TaskFacts): TaskName {
  const found = tasksOf(version).find((name) => TASKS[name].anyText);
  invariant(found !== undefined, `a version made for ${version.task} can be asked about any text`);
  return found;
}

/** Each text as a question. @throws INPUT_INVALID: asking the task takes more than a text */
export function textQuestions<T extends TaskName>(name: T, texts: readonly string[]): readonly Question<T>[] {
  const { ofText }: Task<T, TypesOf[T]> = TASKS[name];
  if (ofText === undefined)
    throw new LockstepError("INPUT_INVALID", `asking for ${name} takes more than a text`, { task: name });
  return texts.map(ofText);
}

/** @throws INPUT_INVALID: the version has no answer to this task; what it can be asked is said */
export function requireTask(task: TaskName, version: TaskFacts): void {
  const why = TASKS[task].refusal(version);
  if (why === undefined) return;
  const others = tasksOf(version);
  throw new LockstepError(
    "INPUT_INVALID",
    `this version cannot be asked to ${task}, since ${why}; ask it to ${others.join(" or ")}`,
    { task },
  );
}

/** @throws INPUT_INVALID: no task that the version was made for can be learned from feedback */
export function requireLearning(version: TaskFacts): void {
  const able = TASK_NAMES.filter((name) => TASKS[name].learns);
  if (able.some((name) => TASKS[name].refusal(version) === undefined)) return;
  throw new LockstepError(
    "INPUT_INVALID",
    `this version cannot learn from feedback; versions made to ${able.join(" or ")} can`,
  );
}

/** The canonical form of a question in a receipt: what was asked, of which task, in which format. */
export function recordOf<T extends TaskName>(
  task: T,
  question: Question<T>,
  options: TypesOf[T]["options"],
): Readonly<Record<string, unknown>> {
  const { format, record } = TASKS[task];
  return { task, format, ...record(question, options) };
}

/** A recorded question, and which task it is of. */
export type RecalledOf<T extends TaskName> = Recalled<TypesOf[T]> & { readonly task: T };

/** Records of before tasks had names are of the only one that there was. */
const UNNAMED = { task: "classify", format: 1 } as const;

/** What a receipt recorded. @throws NOT_FOUND: it is of a task or a format that this Lockstep does not know */
export function recalled(recorded: unknown): RecalledOf<TaskName> {
  const named: Readonly<Record<string, unknown>> = { ...UNNAMED, ...(recorded as object) };
  const { task, format, ...record } = named;
  const entry = TASK_NAMES.find((name) => name === task);
  if (entry === undefined || typeof format !== "number" || format > TASKS[entry].format)
    throw new LockstepError(
      "NOT_FOUND",
      `its question is one to ${String(task)} in format ${String(format)}, which this Lockstep does not know`,
    );
  return { task: entry, ...TASKS[entry].recall(record) };
}
