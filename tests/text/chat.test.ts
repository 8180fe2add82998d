import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadTokenizer, openTokenizer, tokensInSpans, trainBytePairs } from "../../src/language/text/index.ts";
import { CHAT_LIMITS, ChatRenderer } from "../../src/language/text/chat-renderer.ts";
import { ChatTemplates } from "../../src/language/text/chat.ts";
import { renderTemplate } from "../../src/language/text/jinja.ts";
import type { ChatMessage } from "../../src/language/text/index.ts";

const made = trainBytePairs(["you are kind", "hello there, hello you", "what is it? it is hello"], {
  vocabSize: 300,
  minFrequency: 1,
  specialTokens: ["<|im_start|>", "<|im_end|>"],
});
const config = JSON.parse(made.files["tokenizer_config.json"]) as object;
const renderer = new ChatRenderer();
const withTemplate = (chat_template: unknown): ChatTemplates =>
  new ChatTemplates({ chat_template }, { bos_token: "<|endoftext|>", eos_token: "<|endoftext|>" }, renderer);

const CHATML =
  "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}" +
  "{{ '<|im_start|>system\\nYou are kind.<|im_end|>\\n' }}{% endif %}" +
  "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const WITH_ANSWERS = `{{- bos_token }}
{%- for message in messages %}
    {%- if message.role == "assistant" %}
        {{- "<|im_start|>assistant\\n" }}
        {%- generation %}
        {{- message.content | trim + "<|im_end|>" }}
        {%- endgeneration %}
    {%- elif message.role == "user" %}
        {{- "<|im_start|>user\\n" ~ message.content ~ "<|im_end|>" }}
    {%- else %}
        {{- raise_exception("roles are user and assistant, not " ~ message.role) }}
    {%- endif %}
    {{- "\\n" }}
{%- endfor %}`;
const chat: readonly ChatMessage[] = [
  { role: "user", content: "hello" },
  { role: "assistant", content: " hello you " },
  { role: "user", content: "what is it?" },
  { role: "assistant", content: "it is 😀" },
];

describe("chat templates", () => {
  it("write messages as the folder says, and the beginning of an answer where it is asked for", async () => {
    const text = await withTemplate(CHATML).text(chat.slice(0, 1), { addGenerationPrompt: true });
    assert.equal(
      text,
      "<|im_start|>system\nYou are kind.<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n",
    );
  });

  it("are chosen by name, the one for tools where there are tools, and see more variables", async () => {
    const tokenizer = withTemplate([
      { name: "default", template: "{{ eos_token }}{{ messages[0].content }}" },
      { name: "tool_use", template: "{{ tools | tojson }}" },
      { name: "thinking", template: "{{ enable_thinking }} {{ missing is defined }} {{ tools is none }}" },
    ]);
    assert.equal(await tokenizer.text(chat), "<|endoftext|>hello");
    assert.equal(await tokenizer.text(chat, { tools: [{ name: "f", n: 1 }] }), '[{"name": "f", "n": 1}]');
    const options = { template: "thinking", variables: { enable_thinking: false } };
    assert.equal(await tokenizer.text(chat, options), "false false true");
    await assert.rejects(tokenizer.text(chat, { template: "other" }), {
      code: "OPTION_INVALID",
      message: /no chat template "other"; there are default, tool_use, thinking/,
    });
  });

  it("come from chat_template.jinja first, stay with a version, and are the library's tokenizers' too", async () => {
    const source = {
      tokenizerJson: made.files["tokenizer.json"],
      tokenizerConfig: { ...config, chat_template: "old" },
    };
    const tokenizer = loadTokenizer({ ...source, chatTemplate: "{{ bos_token }}new" });
    assert.equal(await tokenizer.applyChatTemplate(chat), "<|endoftext|>new");
    const { answers } = await loadTokenizer({ ...source, chatTemplate: WITH_ANSWERS }).answeredChat(chat);
    assert.equal(answers.length, 2);
    const kept = JSON.parse(tokenizer.files["tokenizer_config.json"]) as { chat_template: string };
    assert.equal(kept.chat_template, "{{ bos_token }}new");
    const json = { ...(JSON.parse(source.tokenizerJson) as object), normalizer: { type: "Nmt" } };
    const library = openTokenizer({ ...source, tokenizerJson: json });
    assert.match(library.library ?? "", /tokenizers/);
    assert.equal(await library.applyChatTemplate(chat), "old");
    const plain = await library.encode("hello", { addSpecialTokens: false, offsets: true });
    assert.deepEqual([...plain.ids], [...tokenizer.encode("hello").ids]);
  });

  it("tell in the template's words what is wrong with messages, and what is wrong with themselves", async () => {
    await assert.rejects(withTemplate(WITH_ANSWERS).text([{ role: "judge" }]), {
      code: "INPUT_INVALID",
      message: /refuses these messages: roles are user and assistant, not judge/,
    });
    await assert.rejects(withTemplate("{% if %}").text(chat), { code: "TOKENIZER_INVALID" });
    await assert.rejects(made.applyChatTemplate(chat), { code: "TOKENIZER_INVALID", message: /no "chat_template"/ });
    await assert.rejects(made.applyChatTemplate([]), { code: "INPUT_INVALID", message: /messages/ });
    await assert.rejects(made.applyChatTemplate([{} as ChatMessage]), { message: /\[0\]\.role/ });
    await assert.rejects(withTemplate("\ud800").text(chat), { code: "INPUT_INVALID" });
    assert.throws(() => withTemplate(5), { code: "TOKENIZER_INVALID", message: /chat_template/ });
  });

  it("never read the clock: a date is given, or the template is refused", async () => {
    const tokenizer = withTemplate("{{ strftime_now('%d %b %Y, %A, %y-%m') }}");
    assert.equal(await tokenizer.text(chat, { date: "2024-07-26" }), "26 Jul 2024, Friday, 24-07");
    await assert.rejects(tokenizer.text(chat), { code: "INPUT_INVALID", message: /give a date/ });
    await assert.rejects(tokenizer.text(chat, { date: "26 July" }), { code: "OPTION_INVALID" });
    const other = withTemplate("{{ strftime_now('%c') }}").text(chat, { date: "2024-07-26" });
    await assert.rejects(other, { code: "TOKENIZER_INVALID", message: /strftime_now has no "%c"/ });
  });
});

describe("the assistant's words", () => {
  const words = (text: string, answers: readonly (readonly [number, number])[]): string[] =>
    answers.map(([start, end]) => text.slice(start, end));

  it("are what stands inside {% generation %}", async () => {
    const tokenizer = withTemplate(WITH_ANSWERS);
    const { text, answers } = await tokenizer.answered(chat);
    assert.equal(text, await tokenizer.text(chat));
    assert.ok(text.startsWith("<|endoftext|><|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nhello you"));
    assert.deepEqual(words(text, answers), ["hello you<|im_end|>", "it is 😀<|im_end|>"]);
  });

  it("are what an answer adds, where the template has no such block", async () => {
    const { text, answers } = await withTemplate(CHATML).answered(chat);
    assert.deepEqual(words(text, answers), [" hello you <|im_end|>\n", "it is 😀<|im_end|>\n"]);
    const forgetful = "{{ messages[-1].content }}";
    await assert.rejects(withTemplate(forgetful).answered(chat), {
      code: "INPUT_INVALID",
      message: /answer of message 1 .*\{% generation %\}/,
    });
  });

  it("are tokens by their places", async () => {
    const { text, answers } = await withTemplate(WITH_ANSWERS).answered(chat);
    const { ids, offsets } = made.encode(text, { offsets: true, addSpecialTokens: false });
    const inside = tokensInSpans(offsets, answers);
    const said = ids.filter((_, i) => inside[i] === 1);
    assert.equal(made.decode(said, { skipSpecialTokens: false }), "hello you<|im_end|>it is 😀<|im_end|>");
    assert.deepEqual([...tokensInSpans(Int32Array.of(0, 0, 0, 2, 2, 5, 5, 6), [[2, 5]])], [0, 0, 1, 0]);
  });
});

describe("a hostile template", () => {
  const task = (template: string) => ({ template, variables: {}, date: undefined, marks: undefined });
  const loops = "{% for a in range(900) %}{% for b in range(900) %}{% if a == b %}x{% endif %}{% endfor %}{% endfor %}";
  const double = (times: number): string =>
    `{% set n = namespace(x='a') %}{% for i in range(${times}) %}{% set n.x = n.x ~ n.x %}{% endfor %}`;
  const hostile: [string, string, RegExp][] = [
    ["loops in loops", loops, /more than 10000 steps/],
    ["a macro that calls itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", /nested more than 200 deep/],
    ["a text that doubles", double(64), /longer than 1000/],
    ["a list without end", "{{ range(0, 1000000000000) }}", /range\(\) makes a list longer than 1000/],
    ["brackets without end", `{{ ${"(".repeat(50_000)}1${")".repeat(50_000)} }}`, /./],
  ];
  for (const [name, template, message] of hostile)
    it(`ends at a step that is counted: ${name}`, () => {
      const rendered = renderTemplate(task(template), { steps: 10_000, depth: 200, length: 1000 });
      assert.equal(rendered.kind, "bound");
      assert.match("message" in rendered ? rendered.message : "", message);
    });

  it("ends with its thread where one step is too much, or all of them take too long; others go on", async () => {
    const quick = new ChatRenderer(150);
    const endless = quick.render(task(loops.replaceAll("900", "90000")));
    const after = quick.render(task("fine"));
    await assert.rejects(endless, { code: "TOKENIZER_INVALID", message: /without bound/ });
    await after.catch(() => undefined); // Its thread may not have begun in 150 ms on a busy machine.
    const bomb = `${double(19)}{{ n.x | replace('a', n.x) | length }}`;
    await assert.rejects(renderer.render(task(bomb)), { code: "TOKENIZER_INVALID", message: /without bound/ });
    assert.equal(await renderer.render(task("fine")), "fine");
  });

  it("is refused at the same step everywhere", () => {
    const steps = Array.from(
      { length: 64 },
      (_, n) => renderTemplate(task("{% for a in range(9) %}{{ a }}{% endfor %}"), { ...CHAT_LIMITS, steps: n }).kind,
    );
    assert.equal(steps.indexOf("text"), 14);
    assert.ok(steps.slice(14).every((kind) => kind === "text"));
  });
});
