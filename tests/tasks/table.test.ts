/** The table of tasks: what is recorded of a question is the question again, and what is not known is said. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { checkQuestions, recalled, recordOf, taskNamed, TASK_NAMES, TASKS } from "../../src/work/tasks/index.ts";

const code =
  (expected: string, words = /./) =>
  (error: unknown): boolean =>
    isLockstepError(error) && error.code === expected && words.test(error.message);

test("a record names its task and its format, and is the question again", () => {
  const record = recordOf("classify", "is it a card?", { topK: 3 });
  assert.deepEqual(record, { task: "classify", format: 1, text: "is it a card?", top_k: 3 });
  assert.deepEqual(recalled(JSON.parse(JSON.stringify(record))), {
    task: "classify",
    question: "is it a card?",
    options: { topK: 3 },
  });
});

test("a record of before tasks had names is one of classify", () => {
  assert.deepEqual(recalled({ text: "a loan", top_k: 2 }), {
    task: "classify",
    question: "a loan",
    options: { topK: 2 },
  });
});

test("a record of a later Lockstep cannot be replayed, and one that is none is a damaged log", () => {
  assert.throws(() => recalled({ task: "divine", format: 1, text: "a" }), code("NOT_FOUND", /to divine in format 1/));
  assert.throws(() => recalled({ task: "classify", format: 99, text: "a", top_k: 1 }), code("NOT_FOUND", /format 99/));
  assert.throws(() => recalled({ task: "classify", format: 1, text: 7, top_k: 1 }), code("LOG_CORRUPT", /text/));
});

test("names, routes and names in the table agree; no two tasks share a route", () => {
  for (const name of TASK_NAMES) assert.equal(TASKS[name].name, name);
  assert.equal(new Set(TASK_NAMES.map((name) => TASKS[name].route)).size, TASK_NAMES.length);
  assert.equal(taskNamed("classify"), "classify");
  for (const wrong of ["divine", "", 7, null, undefined, "toString"])
    assert.throws(() => taskNamed(wrong), code("INPUT_INVALID", /there is no task/));
});

test("a wrong question is named by its place", () => {
  assert.throws(() => checkQuestions("classify", []), code("INPUT_INVALID", /there is no text to classify/));
  assert.throws(() => checkQuestions("classify", [" "]), code("INPUT_INVALID", /the text is blank/));
  assert.throws(() => checkQuestions("classify", ["a", 7]), code("INPUT_INVALID", /text 1 /));
});
