/**
 * Every task, asked in every way: alone, in a list, in reverse, through a handle and over HTTP. An answer is the same
 * bits wherever it was asked and whoever was asked about beside it; its receipt has a record of which it is computed
 * again. @concurrent
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { attachModel, replay, serve, type AskOptions, type Server } from "../../src/edge/api/index.ts";
import { openStore } from "../../src/work/store/index.ts";
import {
  checkQuestions,
  recalled,
  recordOf,
  TASK_NAMES,
  type AnswerOf,
  type Question,
  type TaskName,
} from "../../src/work/tasks/index.ts";
import { isLockstepError } from "../../src/base/index.ts";
import type { VersionTask } from "../../src/work/infer/index.ts";
import { ASKED, PAIRS, TEXTS, MASKED, type Asked } from "./questions.ts";
import { filesOf, VERSION_TASKS } from "./versions.ts";

let folder = "";
const home = process.env["LOCKSTEP_HOME"];
const servers = new Map<VersionTask, Server>();
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-tasks-"));
  process.env["LOCKSTEP_HOME"] = join(folder, "home");
  for (const task of VERSION_TASKS) {
    const store = await openStore(join(folder, task), { create: true });
    await store.setAlias("champion", (await store.publish(filesOf(task))).name);
    servers.set(task, await serve(join(folder, task), { threads: 2, http: { port: 0 } }));
  }
});
after(async () => {
  if (home === undefined) delete process.env["LOCKSTEP_HOME"];
  else process.env["LOCKSTEP_HOME"] = home;
  await rm(folder, { recursive: true, force: true });
});

for (const task of TASK_NAMES) describe(task, () => askedInEveryWay(task));

function askedInEveryWay<T extends TaskName>(task: T): void {
  const { of, questions, body, options: complete }: Asked<T> = ASKED[task];
  const options = complete as AskOptions<T>;

  test("an answer does not depend on the questions beside it, nor on where it is asked", async () => {
    const { model } = servers.get(of)!;
    const alone: AnswerOf<T>[] = [];
    for (const question of questions) alone.push((await model.ask(task, [question], options)).answers[0]!);
    assert.deepEqual((await model.ask(task, questions, options)).answers, alone);
    assert.deepEqual((await model.ask(task, [...questions].reverse(), options)).answers, [...alone].reverse());
    assert.equal(new Set(alone.map(({ digest }) => digest)).size, questions.length, "no two have the same bits");
    await using attached = attachModel(model.handle());
    assert.deepEqual((await attached.ask(task, questions, options)).answers, alone);
    using held = await attached.pin();
    assert.deepEqual((await held.ask(task, questions, options)).answers, alone);
  });

  test("over HTTP it has a receipt, whose record is the question and whose digest is of the same bits", async () => {
    const { url, model } = servers.get(of)!;
    const response = await fetch(`${url}/v1/${task}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const { answers } = (await response.json()) as { answers: { receipt: string }[] };
    assert.equal(response.status, 200, JSON.stringify(answers));
    const { answers: direct } = await model.ask(task, questions, options);
    for (const [index, { receipt }] of answers.entries()) {
      const kept = (await (await fetch(`${url}/v1/receipts/${receipt}`)).json()) as Record<string, string>;
      const record = JSON.parse(kept["request"]!) as unknown;
      assert.deepEqual(record, JSON.parse(JSON.stringify(recordOf(task, questions[index]!, complete))));
      assert.deepEqual(recalled(record).question, questions[index]);
      assert.equal(kept["answerDigest"], direct[index]!.digest);
    }
  });

  test("what is no question of it is refused, and so is a version that has no answer to it", async () => {
    const blank = task === "embed" ? [] : ["", " "];
    for (const wrong of [7, null, ...blank, { text: "a", pair: "b", other: 1 }, { query: "a", documents: [] }, [[]]])
      assert.throws(() => checkQuestions(task, [wrong]), isCode("INPUT_INVALID"), JSON.stringify(wrong));
    const stranger = servers.get(of === "embed" ? "classify" : "embed")!.model;
    await assert.rejects(stranger.ask(task, questions), (error: unknown) => {
      return isCode("INPUT_INVALID")(error) && /this version cannot be asked to/.test((error as Error).message);
    });
  });
}

test("the typed skins are the same questions", async () => {
  const [text, pair] = [TEXTS[0]!, PAIRS[0]!];
  const of = (task: VersionTask) => servers.get(task)!.model;
  const first = async <T extends TaskName>(task: T, question: Question<T>) =>
    (await of(ASKED[task].of).ask(task, [question])).answers[0]!;
  assert.deepEqual(await of("classify").classify(pair), await first("classify", pair));
  assert.deepEqual(await of("multi-label").multiLabel(text), await first("multi-label", text));
  assert.deepEqual(await of("score").score(pair), await first("score", pair));
  const question = { query: text, documents: TEXTS };
  assert.deepEqual(await of("score").rerank([question]), [await first("rerank", question)]);
  assert.deepEqual(await of("token-classify").tokenClassify([text]), [await first("token-classify", text)]);
  assert.deepEqual(await of("embed").similarity(pair), await first("similarity", pair));
  assert.deepEqual(await of("masked-lm").fillMask(MASKED[0]!), await first("fill-mask", MASKED[0]!));
  assert.deepEqual(await of("masked-lm").perplexity(text), await first("perplexity", text));
  const { embedding } = await of("embed").embed(text);
  assert.ok(Math.abs(embedding.reduce((sum, value) => sum + value * value, 0) - 1) < 1e-6, "of length 1");
  const cut = await of("embed").embed(text, { dimensions: 4 });
  assert.ok(Math.abs(cut.embedding.reduce((sum, value) => sum + value * value, 0) - 1) < 1e-6, "and again when cut");
  assert.ok(Math.abs(cut.embedding[0]! / cut.embedding[1]! - embedding[0]! / embedding[1]!) < 1e-4);
  await assert.rejects(of("embed").embed(text, { dimensions: 17 }), isCode("INPUT_INVALID"));
});

test("every log replays to the bit", async () => {
  const causal = servers.get("causal-lm")!;
  const response = await fetch(`${causal.url}/v1/perplexity`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ texts: TEXTS.slice(0, 1) }),
  });
  assert.equal(response.status, 200, await response.text());
  for (const [task, server] of servers) {
    await server.close();
    const report = await replay(join(folder, task));
    assert.ok(report.count > 0);
    assert.deepEqual(report.details, [], task);
  }
});

const isCode =
  (code: string) =>
  (error: unknown): boolean =>
    isLockstepError(error) && error.code === code;
