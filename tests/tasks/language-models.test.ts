/** Scores and masks beside the logits that they come from; a request whose texts say how many rows they are. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { createExecutor } from "../../src/numeric/runtime/index.ts";
import { openPredictor, readVersion, type VersionTask } from "../../src/work/infer/index.ts";
import { Model } from "../../src/work/model/index.ts";
import { filesOf } from "./versions.ts";

const TEXTS = ["my card has not arrived", "can i have a loan, please?", "a card, a loan and cash"];
const opened: Model[] = [];
after(async () => {
  for (const model of opened) await model.close();
});

async function open(task: VersionTask, options: { readonly maxQueue?: number } = {}) {
  const files = filesOf(task);
  const model = await Model.open({ name: "0".repeat(64), files }, { threads: 1, ...options });
  opened.push(model);
  const version = readVersion(files);
  const predictor = await openPredictor(version, await createExecutor("native"));
  /** log p of each token of the vocabulary at each place. */
  const logProbabilities = async (ids: Int32Array, places: readonly number[]): Promise<number[][]> => {
    const [logits] = await predictor.run([{ ids, positions: Int32Array.from(places) }]);
    const V = version.config.vocab_size;
    return places.map((_, i) => {
      const row = Array.from(logits!.subarray(i * V, (i + 1) * V));
      const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
      return row.map((value) => value - total);
    });
  };
  return { model, version, predictor, logProbabilities };
}

test("of a causal model: every token but the first, given those before it", async () => {
  const { model, version, predictor, logProbabilities } = await open("causal-lm");
  for (const text of TEXTS) {
    const { ids } = await version.tokenizer.encode(text);
    const places = Array.from({ length: ids.length - 1 }, (_, t) => t);
    const expected = (await logProbabilities(ids, places)).reduce((sum, row, t) => sum + row[ids[t + 1]!]!, 0);
    const found = await model.perplexity(text);
    assert.equal(found.tokens, ids.length - 1);
    assert.ok(Math.abs(found.logLikelihood - expected) < 1e-4, `${found.logLikelihood} ${expected}`);
    assert.ok(Math.abs(found.perplexity - Math.exp(-expected / found.tokens)) < 1e-3);
    const alone = await logProbabilities(ids.subarray(0, 3), [2]);
    const within = await logProbabilities(ids, [2]);
    assert.ok(Math.abs(alone[0]![5]! - within[0]![5]!) < 1e-5, "what comes later changes nothing");
  }
  const together = await model.perplexity(TEXTS);
  for (const [i, text] of TEXTS.entries()) assert.deepEqual(together[i], await model.perplexity(text));
  await predictor.dispose();
});

test("of a masked model: every token that is not special, with a mask in its place", async () => {
  const { model, version, predictor, logProbabilities } = await open("masked-lm");
  const { ids } = await version.tokenizer.encode(TEXTS[0]!);
  let expected = 0;
  for (let place = 1; place < ids.length - 1; place++) {
    const [row] = await logProbabilities(ids.with(place, version.tokenizer.special.mask), [place]);
    expected += row![ids[place]!]!;
  }
  const found = await model.perplexity(TEXTS[0]!);
  assert.equal(found.tokens, ids.length - 2);
  assert.ok(Math.abs(found.logLikelihood - expected) < 1e-4, `${found.logLikelihood} ${expected}`);
  await predictor.dispose();
});

test("a mask is filled from its own place's logits, by falling probability", async () => {
  const { model, version, predictor, logProbabilities } = await open("masked-lm");
  const text = "my [MASK] has not [MASK]";
  const { ids } = await version.tokenizer.encode(text);
  const places = [...ids.keys()].filter((place) => ids[place] === version.tokenizer.special.mask);
  const expected = await logProbabilities(ids, places);
  const { masks } = await model.fillMask(text, { topK: 4 });
  assert.equal(masks.length, 2);
  for (const [i, { top }] of masks.entries()) {
    const best = Math.max(...expected[i]!.slice(0, version.tokenizer.vocabSize));
    assert.ok(Math.abs(Math.log(top[0]!.probability) - best) < 1e-5);
    assert.deepEqual(
      top.map(({ probability }) => probability),
      top.map(({ probability }) => probability).sort((a, b) => b - a),
    );
    for (const { id, token, probability } of top) {
      assert.ok(Math.abs(Math.log(probability) - expected[i]![id]!) < 1e-5);
      assert.equal(token, version.tokenizer.decode([id], { skipSpecialTokens: false }));
    }
  }
  await assert.rejects(model.fillMask("no mask at all"), (error: unknown) => {
    return isLockstepError(error) && error.code === "INPUT_INVALID" && error.message.includes("[MASK]");
  });
  await predictor.dispose();
});

test("a text of more rows than the queue holds is refused, and what waits is counted as before", async () => {
  const { model, predictor } = await open("masked-lm", { maxQueue: 3 });
  await assert.rejects(model.perplexity(TEXTS[0]!), (error: unknown) => {
    return isLockstepError(error) && error.code === "INPUT_TOO_LARGE";
  });
  assert.equal(model.waiting, 0);
  assert.equal((await model.perplexity("card")).tokens, 1);
  assert.equal(model.waiting, 0);
  await predictor.dispose();
});
