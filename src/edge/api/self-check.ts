/**
 * A quick look at P2 on real questions: asked alone, in one batch, and on one thread, every answer must have the same
 * bits. The thorough look is `verify`.
 */
import { LockstepError } from "../../base/index.ts";
import type { NamedFiles } from "../../work/store/index.ts";
import { Model } from "../../work/model/index.ts";
import { textQuestions, textTask } from "../../work/tasks/index.ts";

export interface SelfCheckReport {
  readonly texts: number;
  readonly threads: number;
  /** Answers compared bit for bit with the one given alone. */
  readonly comparisons: number;
}

/** @throws CHECK_FAILED with the first text whose answer depended on how it was asked */
export async function selfCheck(
  model: Model,
  source: NamedFiles,
  texts: readonly string[],
  threads: number,
): Promise<SelfCheckReport> {
  const alone: string[] = [];
  for (const text of texts) alone.push(...(await digestsOf(model, [text])));
  const ways: [string, readonly string[]][] = [
    [`in one batch on ${threads} threads`, await digestsOf(model, texts)],
    [
      `each by itself, all at once, on ${threads} threads`,
      (await Promise.all(texts.map((text) => digestsOf(model, [text])))).flat(),
    ],
  ];
  await using single = await Model.open(source, {
    threads: 1,
    executor: model.profile.executor === "portable" ? "portable" : "native",
  });
  ways.push(["in one batch on 1 thread", await digestsOf(single, texts)]);
  ways.push(["in reverse order on 1 thread", (await digestsOf(single, [...texts].reverse())).reverse()]);
  for (const [way, digests] of ways) {
    const bad = digests.findIndex((digest, index) => digest !== alone[index]);
    if (bad >= 0)
      throw new LockstepError(
        "CHECK_FAILED",
        `the question ${JSON.stringify(texts[bad]?.slice(0, 80))} got other bits ${way} than alone`,
        { way, text: bad },
      );
  }
  return { texts: texts.length, threads, comparisons: ways.length * texts.length };
}

async function digestsOf(model: Model, texts: readonly string[]): Promise<string[]> {
  const task = textTask(model.info);
  const { answers } = await model.ask(task, textQuestions(task, texts));
  return answers.map(({ digest }) => digest);
}
