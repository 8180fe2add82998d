/** What can be asked of a version: every task with its questions, answers and records. */
export {
  checkQuestions,
  mainTask,
  recalled,
  recordOf,
  requireLearning,
  requireTask,
  rowsOf,
  taskNamed,
  tasksOf,
  textQuestions,
  textTask,
  TASK_NAMES,
  TASKS,
  type AnswerOf,
  type RecalledOf,
  type Question,
  type TaskName,
  type TaskOptions,
  type TypesOf,
} from "./table.ts";
export type { EncodedQuestion, Task, TaskAnswer, TaskFacts, TaskTypes, TaskVersion, WireRequest } from "./task.ts";
export type { ClassAnswer, LabelProbability } from "./class-answer.ts";
export type { Embedding } from "./embed.ts";
export type { FilledMasks, Filling } from "./fill-mask.ts";
export { labelProbability, labelThreshold, type MultiLabelAnswer } from "./multi-label.ts";
export type { Perplexity } from "./perplexity.ts";
export type { Ranking, RerankQuestion } from "./rerank.ts";
export type { Score } from "./score.ts";
export type { Similarity } from "./similarity.ts";
export { spansOf, type LabelledWord, type Span } from "./spans.ts";
export type { TextOrPair, TextPair } from "./text.ts";
export type { TokenAnswer } from "./token-classify.ts";
export { digestBits } from "./digest.ts";
