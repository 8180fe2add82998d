/** A model that writes, on its own thread: the same bits as the engine on this one, by any door. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { TextGenerator, type GenerationPart, type GenerationState } from "../../src/work/generate/index.ts";
import { filesOf } from "../tasks/versions.ts";
import { ask, beginnings, localEngine, openStories } from "./local.ts";
import { storiesFiles } from "./stories-files.ts";

const PROMPT = "Once upon a time";
const OPTIONS = { temperature: 0.9, seed: "thread", maxTokens: 20, logprobs: 2 };
const TEMPLATE =
  "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}" +
  "{% if add_generation_prompt %}{{ opening or 'assistant' }}:{% endif %}";
const files = new Map([...storiesFiles(), ["chat_template.jinja", new TextEncoder().encode(TEMPLATE)]]);
const model = await TextGenerator.open({ name: "stories", files }, { slots: 2 });
after(() => model.close());

const decoder = await openStories(1);
const { engine } = localEngine(decoder);
after(async () => {
  await engine.close();
  await decoder.dispose();
});

describe("a generator", () => {
  it("streams, and gives the whole at the end", async () => {
    const parts: GenerationPart[] = await Array.fromAsync(model.generate(PROMPT, OPTIONS));
    const end = parts.at(-1)!;
    assert.ok(end.kind === "end");
    const { answers, usage, version, profile } = end.result;
    assert.deepEqual([version, profile, model.context], ["stories", model.profile.id, 512]);
    const [local] = (await ask(engine, beginnings(PROMPT, OPTIONS)).result()).answers;
    assert.deepEqual(answers, [local]);
    assert.deepEqual(usage, { promptTokens: 5, answerTokens: 20, reusedTokens: 0 });
    assert.equal(answers[0]!.logprobs!.length, 20);
    const again = await model.generate(PROMPT, OPTIONS).result();
    assert.deepEqual(again.answers, answers);
  });

  it("the main thread has its turns while it writes", async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await model.generate(PROMPT, { maxTokens: 150, temperature: 0 }).result();
    clearInterval(timer);
    assert.ok(turns > 3, `${turns}`);
  });

  it("answers messages by the chat template, as it answers the text of it", async () => {
    const messages = [{ role: "user", content: "Tell me of Lily." }];
    const chat = await model.generate(messages, { ...OPTIONS, chat: { variables: { opening: "Story" } } }).result();
    const { ids } = await model.info.tokenizer.encode("user: Tell me of Lily.\nStory:", { addSpecialTokens: false });
    assert.deepEqual((await model.generate({ ids }, OPTIONS).result()).answers, chat.answers);
    await assert.rejects(model.generate(PROMPT, { chat: {} }).result(), { code: "OPTION_INVALID" });
  });

  it("goes on from a state that was kept, and refuses another version's", async () => {
    const run = model.generate(PROMPT, { ...OPTIONS, n: 2 });
    for await (const part of run) if (part.kind === "token" && part.choice === 1) break;
    const kept = JSON.parse(JSON.stringify(run.states)) as GenerationState[];
    assert.ok(kept.every(({ finish }) => finish === null));
    const whole = await model.generate(PROMPT, { ...OPTIONS, n: 2 }).result();
    const rest = await model.resume(kept).result();
    for (const [i, { text, tokens, digest }] of rest.answers.entries()) {
      const expected = whole.answers[i]!;
      assert.deepEqual(
        { text, tokens, digest },
        { text: expected.text, tokens: expected.tokens, digest: expected.digest },
      );
    }
    assert.throws(() => model.resume({ ...kept[0]!, version: "other" }), { message: /is of version other/ });
    assert.throws(() => model.resume([kept[0]!, kept[0]!]), { code: "INPUT_INVALID" });
    assert.throws(() => model.resume([]), { code: "INPUT_INVALID" });
  });

  it("an abort ends it at once, and others go on", async () => {
    const controller = new AbortController();
    const other = model.generate(PROMPT, OPTIONS).result();
    const run = model.generate(PROMPT, { maxTokens: 400, signal: controller.signal });
    await assert.rejects(
      async () => {
        for await (const _ of run) controller.abort();
      },
      { code: "CANCELLED" },
    );
    assert.equal((await other).answers[0]!.tokens.length, 20);
    assert.equal(model.size, 0);
  });

  it("says by name what it does not take", async () => {
    const wrong: [string, RegExp, () => unknown][] = [
      [
        "OPTION_INVALID",
        /temprature.*did you mean "temperature"/,
        () => model.generate("a", { temprature: 1 } as object),
      ],
      ["OPTION_INVALID", /\bn\b/, () => model.generate("a", { n: 0 })],
    ];
    for (const [code, message, run] of wrong) assert.throws(run, { code, message });
    await assert.rejects(model.generate("word ".repeat(600)).result(), { code: "INPUT_TOO_LARGE" });
    await assert.rejects(model.generate(PROMPT, { maxTokens: 600 }).result(), { message: /context of 512/ });
    await assert.rejects(model.generate({ ids: [512] }).result(), { message: /the prompt has the token 512/ });
    const classifier = { name: "c", files: filesOf("classify") };
    await assert.rejects(TextGenerator.open(classifier), { code: "MODEL_INVALID", message: /made for classify/ });
    await assert.rejects(TextGenerator.open({ name: "s", files }, { stepTokens: 2 }), { code: "OPTION_INVALID" });
    const bad = new Map([...files, ["generation_config.json", new TextEncoder().encode('{"eos_token_id": [2, 700]}')]]);
    await assert.rejects(TextGenerator.open({ name: "s", files: bad }), { code: "MODEL_INVALID", message: /700/ });
  });
});
