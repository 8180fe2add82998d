/** The engine over a decoder without a model: who is told what, and that nothing is left behind. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LockstepError, ManualClock } from "../../src/base/index.ts";
import type { GenerationOptions, GenerationPart } from "../../src/work/generate/index.ts";
import { fakeDecoder } from "./fake-decoder.ts";
import { ask, beginnings, localEngine, version } from "./local.ts";

const PROMPT = "Once upon a time";
const OPTIONS: GenerationOptions = { maxTokens: 12, seed: 4, ignoreEnd: true };

async function textOf(parts: AsyncIterable<GenerationPart>): Promise<string> {
  let text = "";
  for await (const part of parts) if (part.kind === "token") text += part.text;
  return text;
}

describe("an engine", () => {
  it("answers many at once: parts come in order, the whole at the end, and every cache is given back", async () => {
    const decoder = fakeDecoder(4);
    const { engine, steps } = localEngine(decoder, { stepTokens: 16 });
    const prompts = Array.from({ length: 60 }, (_, i) => `${PROMPT} ${"and ".repeat(i % 7)}${i}`);
    const asked = prompts.map((prompt) => ask(engine, beginnings(prompt, OPTIONS)));
    const all = await Promise.all(asked.map((run) => Array.fromAsync(run)));
    for (const [i, parts] of all.entries()) {
      const end = parts.at(-1)!;
      assert.ok(end.kind === "end");
      const [answer] = end.result.answers;
      const tokens = parts.slice(0, -1).map((part) => (part.kind === "token" ? part : assert.fail()));
      assert.deepEqual(
        answer!.tokens,
        tokens.map(({ id }) => id),
      );
      assert.equal(answer!.text, tokens.map(({ text }) => text).join(""));
      assert.deepEqual([answer!.finish, answer!.tokens.length], [{ reason: "length" }, 12]);
      const { engine: other } = localEngine(fakeDecoder(1));
      const alone = await ask(other, beginnings(prompts[i]!, OPTIONS)).result();
      assert.deepEqual(alone.answers, [answer]);
      await other.close();
    }
    assert.ok(steps.filter(({ work }) => work.length === 4).length > steps.length / 2);
    assert.equal(engine.size, 0);
    await engine.close();
    assert.equal(decoder.open_.size, 0);
  });

  it("a cancelled sequence is free before the next step, and can go on elsewhere", async () => {
    const decoder = fakeDecoder(2);
    const { engine } = localEngine(decoder);
    const controller = new AbortController();
    const run = ask(engine, beginnings(PROMPT, { ...OPTIONS, maxTokens: 100 }), { signal: controller.signal });
    const other = ask(engine, beginnings("Lily", OPTIONS)).result();
    let text = "";
    await assert.rejects(
      async () => {
        for await (const part of run) {
          if (part.kind === "token") text += part.text;
          if (run.states[0]!.tokens.length >= 10) controller.abort();
        }
      },
      { code: "CANCELLED" },
    );
    await other;
    const [state] = run.states;
    assert.ok(state!.tokens.length < 30 && state!.finish === null);
    const { engine: next } = localEngine(fakeDecoder(1));
    const { answers } = await ask(next, [state!]).result();
    const whole = await ask(next, beginnings(PROMPT, { ...OPTIONS, maxTokens: 100 })).result();
    assert.deepEqual(answers[0]!.tokens, whole.answers[0]!.tokens);
    assert.ok(whole.answers[0]!.text.startsWith(text) && text !== "");
    await engine.close();
    await next.close();
    assert.equal(decoder.open_.size, 0);
  });

  it("refuses what is too much, before work begins", async () => {
    const { engine, steps } = localEngine(fakeDecoder(1), { maxSequences: 2, cacheTokens: 128 });
    const aborted = ask(engine, beginnings(PROMPT, OPTIONS), { signal: AbortSignal.abort() });
    await assert.rejects(aborted.result(), { code: "CANCELLED" });
    await assert.rejects(aborted.result(), { code: "INPUT_INVALID", message: /read once/ });
    const big = ask(engine, beginnings(PROMPT, { ...OPTIONS, maxTokens: 200 })).result();
    await assert.rejects(big, {
      code: "INPUT_TOO_LARGE",
      message: /room for 256 tokens; all caches together have 128/,
    });
    assert.equal(steps.length, 0);
    const three = Array.from({ length: 3 }, () => ask(engine, beginnings(PROMPT, OPTIONS)).result());
    const codes = (await Promise.allSettled(three)).map((one) =>
      one.status === "rejected" ? (one.reason as LockstepError).code : "answered",
    );
    assert.deepEqual(codes, ["answered", "answered", "OVERLOADED"]);
    const some = ask(engine, beginnings(PROMPT, OPTIONS, 3)).result(); // a question for more answers than it takes
    await assert.rejects(some, { code: "OVERLOADED" });
    assert.equal(engine.size, 0);
    await engine.close();
    await assert.rejects(ask(engine, beginnings(PROMPT, OPTIONS)).result(), { code: "SHUTTING_DOWN" });
  });

  it("deadlines pass while a sequence waits, runs, or waits for its reader", async () => {
    const clock = new ManualClock();
    const decoder = fakeDecoder(1);
    let stepsLeft = Infinity;
    const { engine } = localEngine(decoder, {
      clock,
      step: async (runner, order) => {
        if (--stepsLeft === 0) clock.advance(1000);
        return await runner.step(order);
      },
    });
    const long = { ...OPTIONS, maxTokens: 300 };
    stepsLeft = 5;
    const both = [0, 1].map(() => ask(engine, beginnings(PROMPT, long), { timeoutMs: 500 }));
    for (const end of await Promise.allSettled(both.map((run) => run.result()))) {
      assert.ok(end.status === "rejected");
      assert.equal((end.reason as LockstepError).code, "TIMEOUT");
    }
    assert.ok(both[0]!.states[0]!.tokens.length < 8);
    stepsLeft = Infinity;
    const slow = ask(engine, beginnings(PROMPT, long), { timeoutMs: 500 })[Symbol.asyncIterator]();
    await slow.next();
    for (let turn = 0; turn < 500; turn++) await Promise.resolve();
    assert.equal(engine.size, 1); // it waits for its reader
    clock.advance(501);
    await assert.rejects(Array.fromAsync({ [Symbol.asyncIterator]: () => slow }), { code: "TIMEOUT" });
    await engine.close();
    assert.equal(decoder.open_.size, 0);
  });

  it("a step that hangs keeps nobody beyond a deadline or an abort", async () => {
    const clock = new ManualClock();
    const { promise, resolve } = Promise.withResolvers<void>();
    const { engine } = localEngine(fakeDecoder(2), {
      clock,
      step: async (runner, order) => {
        await promise;
        return await runner.step(order);
      },
    });
    const controller = new AbortController();
    const aborted = ask(engine, beginnings(PROMPT, OPTIONS), { signal: controller.signal }).result();
    const late = ask(engine, beginnings(PROMPT, OPTIONS), { timeoutMs: 100 }).result();
    const patient = ask(engine, beginnings(PROMPT, OPTIONS)).result();
    const ends = Promise.all([
      assert.rejects(aborted, { code: "CANCELLED" }),
      assert.rejects(late, { code: "TIMEOUT" }),
    ]);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    controller.abort();
    clock.advance(101);
    await ends;
    assert.equal(engine.size, 1);
    resolve();
    assert.equal((await patient).answers[0]!.tokens.length, 12);
    await engine.close();
  });

  it("a backend that dies is replaced: the streams go on, with the same bits", async () => {
    const reference = localEngine(fakeDecoder(2));
    const expected = await Promise.all(
      ["a", "b", "c"].map((p) => ask(reference.engine, beginnings(p, OPTIONS)).result()),
    );
    const decoder = fakeDecoder(2);
    let count = 0;
    const { engine, runners } = localEngine(decoder, {
      step: async (runner, order) => {
        if (++count % 7 === 0) throw new LockstepError("WORKER_DIED", "it is gone");
        return await runner.step(order);
      },
    });
    const found = await Promise.all(["a", "b", "c"].map((p) => ask(engine, beginnings(p, OPTIONS)).result()));
    assert.deepEqual(
      found.map(({ answers }) => answers),
      expected.map(({ answers }) => answers),
    );
    assert.ok(runners.length > 2, `${runners.length} backends`);
    await engine.close();
    await reference.engine.close();
    assert.equal(decoder.open_.size, 0);
  });

  it("one that always dies is given up after three times", async () => {
    const { engine, runners } = localEngine(fakeDecoder(1), {
      step: () => Promise.reject(new LockstepError("WORKER_DIED", "it is gone")),
    });
    await assert.rejects(ask(engine, beginnings(PROMPT, OPTIONS)).result(), { code: "WORKER_DIED" });
    assert.ok(runners.length <= 4);
    await engine.close();
  });

  it("NaN logits, and a step that fails, end the sequence whose they are, and no other", async () => {
    const [poison, broken] = ["Z", "Q"].map((text) =>
      (version.tokenizer.encode(text) as { ids: Int32Array }).ids.at(-1)!,
    );
    const decoder = fakeDecoder(4, { poison: poison!, broken: broken! });
    const { engine } = localEngine(decoder);
    const quiet = { ...OPTIONS, logitBias: { [poison!]: -1000, [broken!]: -1000 } };
    const ends = await Promise.allSettled(
      [PROMPT, `${PROMPT} Z`, `${PROMPT} Q`, "Lily"].map((prompt) => ask(engine, beginnings(prompt, quiet)).result()),
    );
    assert.deepEqual(
      ends.map((end) => (end.status === "rejected" ? (end.reason as LockstepError).code : "answered")),
      ["answered", "NON_FINITE", "RUNTIME_FAILED", "answered"],
    );
    await engine.close();
    assert.equal(decoder.open_.size, 0);
  });

  it("a heavy key does not hold up a light one, and a higher priority goes first", async () => {
    const { engine, steps } = localEngine(fakeDecoder(2), { stepTokens: 8 });
    const heavy = Array.from({ length: 50 }, () =>
      ask(engine, beginnings("a b c", OPTIONS), { key: "heavy" }).result(),
    );
    await ask(engine, beginnings("a b c", OPTIONS), { key: "light" }).result();
    const light = steps.length;
    await ask(engine, beginnings("a b c", OPTIONS), { key: "heavy", priority: 1 }).result();
    const urgent = steps.length - light;
    assert.ok(light <= 24 && urgent <= 24, `${light}, ${urgent} steps; alone it takes about 13`);
    assert.ok(engine.size > 40);
    await Promise.all(heavy);
    await engine.close();
  });

  it("a reader that stops reading leaves nothing behind; so does closing", async () => {
    const decoder = fakeDecoder(2);
    const { engine, runners } = localEngine(decoder, { prefixTokens: 1024 });
    for await (const part of ask(engine, beginnings(PROMPT, OPTIONS, 3))) if (part.kind === "token") break;
    await textOf(ask(engine, beginnings("Lily", OPTIONS)));
    assert.equal(engine.size, 0);
    assert.equal(decoder.open_.size, runners[0]!.prefixes.size);
    const under = ask(engine, beginnings(PROMPT, { ...OPTIONS, maxTokens: 400 }));
    const rest = assert.rejects(under.result(), { code: "SHUTTING_DOWN" });
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    await engine.close();
    await rest;
    assert.ok(under.states[0]!.tokens.length > 0);
    assert.equal(decoder.open_.size, 0);
  });

  it("a thousand that wait each get their answer", async () => {
    const decoder = fakeDecoder(8);
    const { engine } = localEngine(decoder, { stepTokens: 64 });
    const options = { ...OPTIONS, maxTokens: 2, temperature: 0 };
    const all = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => ask(engine, beginnings(`${i % 10}`, options)).result()),
    );
    assert.equal(new Set(all.map(({ answers }) => answers[0]!.digest)).size, 10);
    await engine.close();
    assert.equal(decoder.open_.size, 0);
  });
});
