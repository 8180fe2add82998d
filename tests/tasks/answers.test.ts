/**
 * Every task on one thread: an answer is the same bits alone and among all others' rows, fits the schema that it has
 * over HTTP, and its record is the question again. `asked.long.test.ts` asks through servers, handles and replay.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createExecutor } from "../../src/numeric/runtime/index.ts";
import { openPredictor, readVersion } from "../../src/work/infer/index.ts";
import {
  checkQuestions,
  recalled,
  recordOf,
  requireTask,
  TASK_NAMES,
  TASKS,
  type EncodedQuestion,
  type Task,
  type TaskName,
  type TypesOf,
} from "../../src/work/tasks/index.ts";
import { ASKED, type Asked } from "./questions.ts";
import { filesOf } from "./versions.ts";

for (const name of TASK_NAMES) test(name, () => answers(name));

async function answers<T extends TaskName>(name: T): Promise<void> {
  const task: Task<T, TypesOf[T]> = TASKS[name];
  const { of, questions, body, options }: Asked<T> = ASKED[name];
  const version = readVersion(filesOf(of));
  const predictor = await openPredictor(version, await createExecutor("native"), { selfCheck: false });
  requireTask(name, version);
  checkQuestions(name, questions);
  const encoded: EncodedQuestion<TypesOf[T]["notes"]>[] = [];
  for (const question of questions) encoded.push(await task.encode(version, question));
  const all = await predictor.run(encoded.flatMap(({ rows }) => rows));
  let from = 0;
  for (const [i, { rows, notes, truncated }] of encoded.entries()) {
    if (task.grows !== true) assert.equal(rows.length, task.rows(questions[i]!));
    const alone = [];
    for (const row of rows) alone.push(...(await predictor.run([row])));
    const answer = task.answer(version, alone, options, notes);
    assert.deepEqual(task.answer(version, all.slice(from, (from += rows.length)), options, notes), answer);
    const whole = Object.assign({}, answer, { version: "0".repeat(64), truncated });
    const wire = JSON.parse(JSON.stringify(task.toWire(whole))) as object;
    assert.deepEqual(task.wire.strict().parse(wire), wire);
    assert.deepEqual(Object.keys(task.summary(whole)).includes("truncated"), true);
    const record = JSON.parse(JSON.stringify(recordOf(name, questions[i]!, options))) as unknown;
    assert.deepEqual(
      JSON.parse(JSON.stringify(recalled(record))),
      JSON.parse(JSON.stringify({ task: name, question: questions[i], options })),
    );
  }
  assert.deepEqual(task.ofBody(task.body.parse(body)).options, options);
  await predictor.dispose();
}
