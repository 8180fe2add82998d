/**
 * One question, one bit pattern: among other prompts, lengths and settings, in any place of any number of slots, its
 * prompt whole or in chunks, with the prefix cache off, cold, warm or full, evicted and computed again, kept and
 * resumed at every token, read slowly or at once. What is compared is the digest over all logits, every token and the
 * text. That sequences really ran together is counted, and a decoder whose bits do depend on company is caught. No
 * retries. About 15 seconds on a quiet machine.
 */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Decoder, GenerationAnswer, GenerationOptions, GenerationState } from "../../src/work/generate/index.ts";
import type { Engine, StepReport } from "../../src/work/generate/engine.ts";
import { ask, beginnings, localEngine, openStories, type LocalOptions } from "./local.ts";

const PROMPT = "Once upon a time, there was a little girl named Lily. She loved to play outside";
const ASKED: Record<string, GenerationOptions> = {
  greedy: { temperature: 0, maxTokens: 24, logprobs: 3 },
  sampled: { temperature: 1, seed: 11, maxTokens: 30, logprobs: 0, ignoreEnd: true },
};
const MATES: readonly (readonly [string, GenerationOptions])[] = [
  ["The dog", { temperature: 0.7, maxTokens: 9, seed: 1 }],
  ["Tom and Sue went to the park. They saw a big tree and a small bird in the tree. The bird", { maxTokens: 40 }],
  [PROMPT, { temperature: 1.5, topK: 30, seed: "mate", maxTokens: 21 }],
  ["A", { repetitionPenalty: 1.4, topP: 0.8, maxTokens: 50, seed: 5 }],
  ["One day ".repeat(40), { temperature: 0, maxTokens: 3 }],
  ["Lily", { minP: 0.1, frequencyPenalty: 1, maxTokens: 33, stop: ["."], seed: 8 }],
];

const decoders = new Map<number, Promise<Decoder>>();
function stories(slots: number): Promise<Decoder> {
  const found = decoders.get(slots) ?? openStories(slots);
  decoders.set(slots, found);
  return found;
}
after(async () => {
  for (const decoder of decoders.values()) await (await decoder).dispose();
});

async function answersOf(engine: Engine, states: readonly GenerationState[]): Promise<readonly GenerationAnswer[]> {
  return (await ask(engine, states).result()).answers;
}

/** Alone, in a program of one slot, without anything that is remembered. */
const alone = new Map<string, GenerationAnswer>();
for (const [name, options] of Object.entries(ASKED)) {
  const { engine } = localEngine(await stories(1), { stepTokens: 500 });
  alone.set(name, (await answersOf(engine, beginnings(PROMPT, options)))[0]!);
  await engine.close();
}

/** Each asked some times, at different moments of a load of others. */
async function amongOthers(
  decoder: Decoder,
  options: LocalOptions,
  times = 2,
): Promise<{ answers: Map<string, GenerationAnswer[]>; steps: readonly StepReport[]; hits: number }> {
  const { engine, steps, runners } = localEngine(decoder, options);
  const answers = new Map<string, GenerationAnswer[]>();
  const asking: Promise<unknown>[] = [];
  for (let round = 0; round < times; round++) {
    for (const [at, [prompt, mate]] of MATES.entries()) {
      asking.push(ask(engine, beginnings(prompt, mate), { key: `mate ${at % 2}`, priority: at % 3 }).result());
      const name = Object.keys(ASKED)[(at + round) % 2]!;
      if (at % 2 === 0)
        asking.push(
          answersOf(engine, beginnings(PROMPT, ASKED[name]!)).then(([answer]) => {
            answers.set(name, [...(answers.get(name) ?? []), answer!]);
          }),
        );
    }
    await asking[round * MATES.length]; // the next ones come in the middle
  }
  await Promise.all(asking);
  const hits = runners.reduce((sum, { prefixes }) => sum + prefixes.hits, 0);
  await engine.close();
  return { answers, steps, hits };
}

function requireSame(answers: Map<string, GenerationAnswer[]>, how: string): void {
  assert.deepEqual([...answers.keys()].sort(), Object.keys(ASKED), how);
  for (const [name, list] of answers)
    for (const answer of list) assert.deepEqual(answer, alone.get(name), `${name}, ${how}`);
}

const together = (steps: readonly StepReport[]): number => Math.max(...steps.map(({ work }) => work.length));

describe("one bit pattern", () => {
  const ways: Record<string, { slots: number; options: LocalOptions }> = {
    "one slot, by turns": { slots: 1, options: { stepTokens: 1 } },
    "four slots, prompts in chunks": { slots: 4, options: { stepTokens: 7 } },
    "eight slots, prompts whole": { slots: 8, options: { stepTokens: 800 } },
    "eight slots, prefix cache": { slots: 8, options: { stepTokens: 40, prefixTokens: 4096 } },
    "four slots, prefix cache that is full": { slots: 4, options: { stepTokens: 20, prefixTokens: 192 } },
    "eight slots, too little memory": { slots: 8, options: { stepTokens: 50, cacheTokens: 640 } },
    "four slots, too little memory, prefix cache": {
      slots: 4,
      options: { stepTokens: 30, cacheTokens: 320, prefixTokens: 256 },
    },
  };
  for (const [how, { slots, options }] of Object.entries(ways))
    it(how, async (t) => {
      const { answers, steps, hits } = await amongOthers(await stories(slots), options);
      requireSame(answers, how);
      assert.equal(together(steps), slots);
      const evicted = steps.reduce((sum, step) => sum + step.evicted, 0);
      assert.equal(hits > 0, options.prefixTokens !== undefined, `${hits} hits`);
      assert.equal(evicted > 0, options.cacheTokens !== undefined, `${evicted} evicted`);
      for (const { cacheTokens } of steps) assert.ok(cacheTokens <= (options.cacheTokens ?? Infinity));
      const full = steps.filter(({ work }) => work.length === slots).length;
      t.diagnostic(`${steps.length} steps, ${full} with all slots; ${hits} prefixes, ${evicted} evicted`);
    });

  it("warm: the same question again, and one that goes on with the answer of before", async () => {
    const { engine, runners } = localEngine(await stories(4), { prefixTokens: 2048 });
    const [asked] = beginnings(PROMPT, ASKED["greedy"]!) as [GenerationState];
    const first = await ask(engine, [asked]).result();
    const second = await ask(engine, [asked]).result();
    assert.deepEqual(second.answers, [alone.get("greedy")]);
    assert.deepEqual(first.answers, second.answers);
    assert.deepEqual([first.usage.reusedTokens, second.usage.reusedTokens], [0, asked.prompt.length - 1]);
    const longer = { ...asked, prompt: [...asked.prompt, ...first.answers[0]!.tokens.slice(0, 20)] };
    const warm = await ask(engine, [longer]).result();
    assert.equal(warm.usage.reusedTokens, longer.prompt.length - 1); // generated tokens too
    await engine.close();
    assert.equal(runners[0]!.prefixes.size, 0);
    const { engine: other } = localEngine(await stories(1));
    assert.deepEqual((await ask(other, [longer]).result()).answers, warm.answers);
    await other.close();
  });

  it("kept as JSON and resumed at every token, each time by another engine", async () => {
    for (const [name, options] of Object.entries(ASKED)) {
      let [state] = beginnings(PROMPT, options) as [GenerationState];
      let text = "";
      for (let turn = 0; state.finish === null; turn++) {
        const { engine } = localEngine(await stories([1, 4, 8][turn % 3]!), { stepTokens: 8 + turn });
        const run = ask(engine, [state]);
        for await (const part of run) {
          if (part.kind === "token") text += part.text;
          break;
        }
        state = JSON.parse(JSON.stringify(run.states[0])) as GenerationState;
        await engine.close();
        assert.equal(state.tokens.length, turn + 1);
      }
      const expected = alone.get(name)!;
      assert.deepEqual([state.tokens, state.digest, state.finish], [expected.tokens, expected.digest, expected.finish]);
      assert.equal(text, expected.text);
    }
  });

  it("read slowly: the sequence waits, and others do not", async () => {
    const { engine, steps } = localEngine(await stories(4), { stepTokens: 16 });
    const long = { ...ASKED["sampled"]!, maxTokens: 200 };
    const slow = ask(engine, beginnings(PROMPT, long));
    const iterator = slow[Symbol.asyncIterator]();
    await iterator.next();
    const [quick] = await answersOf(engine, beginnings(PROMPT, { ...long, maxTokens: 150 }));
    const ahead = steps.filter(({ work }) => work.some(({ id }) => id === 0)).length;
    assert.ok(ahead <= 70 && steps.length >= 150, `it was in ${ahead} of ${steps.length} steps`);
    assert.equal(slow.states[0]!.tokens.length, 1);
    const before = steps.length;
    const parts = await Array.fromAsync({ [Symbol.asyncIterator]: () => iterator });
    assert.ok(steps.length > before);
    const end = parts.at(-1)!;
    assert.ok(end.kind === "end");
    assert.deepEqual(end.result.answers[0]!.tokens.slice(0, 150), quick!.tokens);
    await engine.close();
  });

  it("several answers to one question: distinct, reproducible, and each the one that it is alone", async () => {
    const options = { temperature: 1, seed: 2, maxTokens: 12 };
    const { engine, steps } = localEngine(await stories(8), { prefixTokens: 2048 });
    const all = beginnings(PROMPT, options, 8);
    const { answers, usage } = await ask(engine, all).result();
    assert.equal(new Set(answers.map(({ tokens }) => tokens.join())).size, 8);
    assert.deepEqual((await ask(engine, all).result()).answers, answers);
    for (const place of [0, 3, 7])
      assert.deepEqual((await ask(engine, [all[place]!]).result()).answers, [answers[place]]);
    assert.ok(together(steps) >= 7);
    assert.equal(
      usage.answerTokens,
      answers.reduce((sum, { tokens }) => sum + tokens.length, 0),
    );
    await engine.close();
  });

  it("in every slot at once, and with over three hundred on their way", async () => {
    const { engine, steps } = localEngine(await stories(8), {
      stepTokens: 256,
      cacheTokens: 64 * 400,
      prefixTokens: 1024,
    });
    const names = Object.keys(ASKED);
    const asked = Array.from({ length: 304 }, (_, i) => names[i % names.length]!);
    const answers = asked.map((name) => answersOf(engine, beginnings(PROMPT, ASKED[name]!)));
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    assert.equal(engine.size, asked.length);
    for (const [i, name] of asked.entries()) assert.deepEqual(await answers[i], [alone.get(name)]);
    assert.ok(steps.filter(({ work }) => work.length === 8).length > steps.length / 2);
    await engine.close();
  });

  it("the control: a decoder whose bits depend on company is caught", async () => {
    const decoder = await stories(4);
    const { profile, slots, context, vocabulary } = decoder;
    const careless: Decoder = {
      ...{ profile, slots, context, vocabulary },
      open: (tokens) => decoder.open(tokens),
      step: async (work) => {
        const logits = await decoder.step(work);
        if (work.length > 1) for (const row of logits) if (row.length > 0) row[0]! *= 1 + 2 ** -23; // a last bit
        return logits;
      },
      dispose: () => Promise.resolve(),
    };
    const { answers } = await amongOthers(careless, { stepTokens: 16 }, 1);
    assert.throws(() => requireSame(answers, "careless"), { code: "ERR_ASSERTION" });
  });
});
