/**
 * Chats as text: the chat template of a folder applied to messages, as Python's `apply_chat_template` does it, and
 * which parts of the text are the assistant's, for training on answers alone.
 */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { ChatRenderer } from "./chat-renderer.ts";
import { checkText, MAX_TEXT_LENGTH } from "./input.ts";
import { invalidConfig } from "./schema.ts";
import type { AnsweredChat, ChatMessage, ChatOptions } from "./types.ts";

const MOST_TEMPLATES = 32;
const LONGEST_TEMPLATE = 1 << 18;
const MOST_MESSAGES = 10_000;

const templates = z.union([
  z.string().max(LONGEST_TEMPLATE),
  z
    .array(z.strictObject({ name: z.string().min(1).max(64), template: z.string().max(LONGEST_TEMPLATE) }))
    .max(MOST_TEMPLATES),
]);
const messagesShape = z
  .array(z.looseObject({ role: z.string().min(1).max(64) }))
  .min(1)
  .max(MOST_MESSAGES);
const optionsShape = z.strictObject({
  addGenerationPrompt: z.boolean().default(false),
  template: z.string().optional(),
  tools: z.array(z.json()).max(1024).optional(),
  variables: z.record(z.string(), z.json()).default({}),
  date: z.iso.date().optional(),
});

/** Characters that no text should have, two of which mark where answers begin and end. */
const MARKS = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i));

export class ChatTemplates {
  readonly #templates: ReadonlyMap<string, string>;
  readonly #special: Readonly<Record<string, string>>;
  readonly #renderer: ChatRenderer;

  /** `config`: the folder's settings with its chat template; `special`: its special tokens by name, as `bos_token`. */
  constructor(config: object | undefined, special: Readonly<Record<string, string>>, renderer = new ChatRenderer()) {
    const { chat_template: given } = (config ?? {}) as { chat_template?: unknown };
    const read =
      given === undefined || given === null ? [] : parseOptions(templates, given, "chat_template", "TOKENIZER_INVALID");
    this.#templates = new Map(
      typeof read === "string" ? [["default", read]] : read.map(({ name, template }) => [name, template]),
    );
    this.#special = special;
    this.#renderer = renderer;
  }

  async text(messages: readonly ChatMessage[], options: ChatOptions = {}): Promise<string> {
    const { template, variables, date } = this.#prepare(messages, options);
    const text = await this.#renderer.render({ template, variables, date, marks: undefined });
    checkText(text, "the text of the chat");
    return text;
  }

  async answered(messages: readonly ChatMessage[], options: ChatOptions = {}): Promise<AnsweredChat> {
    const { template, variables, date } = this.#prepare(messages, options);
    if (!/\{%[-+]?\s*generation\s*[-+]?%\}/.test(template)) return await this.#byPrefixes(messages, options);
    const said = JSON.stringify(variables) + template;
    const [begin, end] = MARKS.filter((mark) => !said.includes(mark));
    if (begin === undefined || end === undefined)
      throw new LockstepError("INPUT_INVALID", "the messages hold all of the noncharacters U+FDD0 to U+FDEF");
    const whole = await this.#renderer.render({ template, variables, date, marks: [begin, end] });
    let text = "";
    const answers: (readonly [number, number])[] = [];
    let start: number | undefined;
    for (const part of whole.split(new RegExp(`(${begin}|${end})`))) {
      if (part === begin) start = text.length;
      else if (part === end) {
        if (start !== undefined && start < text.length) answers.push([start, text.length]);
        start = undefined;
      } else text += part;
    }
    checkText(text, "the text of the chat");
    return { text, answers };
  }

  /** An answer is what the text has more than that of the messages before it with the prompt for an answer. */
  async #byPrefixes(messages: readonly ChatMessage[], options: ChatOptions): Promise<AnsweredChat> {
    const text = await this.text(messages, options);
    const answers: (readonly [number, number])[] = [];
    for (const [i, { role }] of messages.entries()) {
      if (role !== "assistant") continue;
      const before = await this.text(messages.slice(0, i), { ...options, addGenerationPrompt: true });
      const after = await this.text(messages.slice(0, i + 1), { ...options, addGenerationPrompt: false });
      if (!after.startsWith(before) || !text.startsWith(after))
        throw new LockstepError(
          "INPUT_INVALID",
          `where the answer of message ${i} stands cannot be told: the chat template writes what is before it ` +
            "otherwise when more follows. Use a template with {% generation %} around the assistant's words",
          { message: i },
        );
      answers.push([before.length, after.length]);
    }
    return { text, answers };
  }

  #prepare(
    messages: readonly ChatMessage[],
    options: ChatOptions,
  ): { template: string; variables: Record<string, unknown>; date: string | undefined } {
    const settled = parseOptions(optionsShape, options, "the options of the chat template");
    parseOptions(messagesShape, messages, "the messages", "INPUT_INVALID");
    const json = JSON.stringify(messages);
    if (json.length > MAX_TEXT_LENGTH)
      throw new LockstepError(
        "INPUT_TOO_LARGE",
        `the messages have ${json.length} characters as JSON; at most ${MAX_TEXT_LENGTH} are taken`,
        { length: json.length, limit: MAX_TEXT_LENGTH },
      );
    return {
      template: this.#choose(settled.template, settled.tools !== undefined),
      variables: {
        ...this.#special,
        ...settled.variables,
        messages: JSON.parse(json) as unknown,
        add_generation_prompt: settled.addGenerationPrompt,
        tools: settled.tools ?? null,
      },
      date: settled.date,
    };
  }

  #choose(name: string | undefined, tools: boolean): string {
    const found =
      name === undefined
        ? ((tools ? this.#templates.get("tool_use") : undefined) ?? this.#templates.get("default"))
        : this.#templates.get(name);
    if (found !== undefined) return found;
    const names = [...this.#templates.keys()];
    if (names.length === 0) throw invalidConfig('it has no "chat_template", which says how messages become text');
    throw new LockstepError(
      "OPTION_INVALID",
      `there is no chat template ${JSON.stringify(name ?? "default")}; there are ${names.join(", ")}`,
    );
  }
}

/**
 * Which tokens of a text are in its spans: 1 for each whose source begins in one of them, 0 for others. `offsets` as an
 * encoding has them, [2n]; returns [n].
 */
export function tokensInSpans(
  offsets: Int32Array,
  spans: readonly (readonly [start: number, end: number])[],
): Uint8Array {
  const inside = new Uint8Array(offsets.length / 2);
  let span = 0;
  for (let i = 0; i < inside.length; i++) {
    const [start, end] = [offsets[2 * i] as number, offsets[2 * i + 1] as number];
    if (end === 0) continue; // A special token of the tokenizer's template.
    while (span < spans.length && start >= (spans[span]?.[1] ?? 0)) span++;
    if (start >= (spans[span]?.[0] ?? Infinity)) inside[i] = 1;
  }
  return inside;
}
