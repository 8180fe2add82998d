/** `lockstep chat`: a conversation in the terminal. What was said before is asked again, mostly out of caches. */
import { createInterface, type Interface } from "node:readline";
import type { Command } from "commander";
import {
  isLockstepError,
  loadGenerator,
  type ChatMessage,
  type GenerateOptions,
  type TextGenerator,
} from "../api/index.ts";
import {
  addGenerateFlags,
  GENERATOR_ARGUMENT,
  generateOptions,
  generatorOptions,
  type GenerateFlags,
} from "./generate-flags.ts";
import { shown } from "./generate.ts";
import { createOutput, FailedMidway, type Output } from "./output.ts";

const COMMANDS = [
  ["/help", "these commands"],
  ["/history", "what was said"],
  ["/system TEXT", "begin anew, with this said before everything"],
  ["/undo", "forget the last question and its answer"],
  ["/reset", "begin anew"],
  ["/quit", "leave; so does the end of the input"],
] as const;

interface Flags extends GenerateFlags {
  readonly system?: string;
}

export function addChat(program: Command): void {
  addGenerateFlags(
    program
      .command("chat")
      .description("talk with a model in the terminal")
      .argument(...GENERATOR_ARGUMENT),
  )
    .option("--system <text>", "said before everything")
    .addHelpText(
      "after",
      `
In it: ${COMMANDS.map(([name]) => name).join(", ")}. Ctrl-C ends an answer, and the chat where there is none.

Examples:
  lockstep chat ./model.gguf --system "Answer in one sentence."
  lockstep chat ./models/mine --temperature 0 --max-tokens 400`,
    )
    .action(async (path: string, { system, ...flags }: Flags) => {
      const output = createOutput(false);
      await using model = await loadGenerator(path, generatorOptions(flags));
      const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: process.stdin.isTTY });
      try {
        await new Conversation(model, generateOptions(flags), output, system).over(terminal);
      } finally {
        terminal.close();
      }
    });
}

class Conversation {
  readonly #model: TextGenerator;
  readonly #options: GenerateOptions;
  readonly #output: Output;
  #system: string | undefined;
  #messages: ChatMessage[] = [];
  #answering: AbortController | null = null;

  constructor(model: TextGenerator, options: GenerateOptions, output: Output, system: string | undefined) {
    this.#model = model;
    this.#options = options;
    this.#output = output;
    this.#system = system;
  }

  /** A line is a question, or a command. */
  async over(terminal: Interface): Promise<void> {
    const interrupt = (): void => (this.#answering === null ? terminal.close() : this.#answering.abort());
    terminal.on("SIGINT", interrupt);
    process.on("SIGINT", interrupt); // where the input is no terminal
    let open = true;
    terminal.once("close", () => (open = false)); // lines that came before are still read
    terminal.setPrompt("> ");
    try {
      terminal.prompt();
      for await (const line of terminal) {
        if (!(await this.#take(line.trim()))) return;
        if (open) terminal.prompt();
      }
    } finally {
      process.off("SIGINT", interrupt);
    }
  }

  /** False: it is over. */
  async #take(line: string): Promise<boolean> {
    const [, command, rest = ""] = /^(\/\S+)\s*(.*)$/s.exec(line) ?? [];
    switch (command) {
      case undefined:
        if (line !== "") await this.#answer(line);
        return true;
      case "/quit":
        return false;
      case "/help":
        for (const [name, about] of COMMANDS) this.#output.note(`${name.padEnd(14)} ${about}`);
        return true;
      case "/history":
        for (const { role, content } of this.#all()) this.#output.note(`${role}: ${String(content)}`);
        return true;
      case "/undo":
        this.#messages = this.#messages.slice(0, -2);
        return true;
      case "/system":
      case "/reset":
        if (command === "/system") this.#system = rest === "" ? undefined : rest;
        this.#messages = [];
        return true;
      default:
        this.#output.note(`there is no ${command}; /help says what there is`);
        return true;
    }
  }

  #all(): ChatMessage[] {
    return [...(this.#system === undefined ? [] : [{ role: "system", content: this.#system }]), ...this.#messages];
  }

  /** Where it fails or is interrupted, the question is forgotten. */
  async #answer(content: string): Promise<void> {
    this.#answering = new AbortController();
    const asked = [...this.#all(), { role: "user", content }];
    const run = this.#model.generate(asked, { ...this.#options, signal: this.#answering.signal });
    try {
      const { answers } = await shown(run, this.#output, true);
      this.#messages.push({ role: "user", content }, { role: "assistant", content: answers[0]!.text });
    } catch (thrown) {
      const cause: unknown = thrown instanceof FailedMidway ? thrown.cause : thrown;
      if (!isLockstepError(cause) || !STAYS.has(cause.code)) throw thrown;
      this.#output.note(cause.code === "CANCELLED" ? "(interrupted)" : `error: ${cause.message} [${cause.code}]`);
    } finally {
      this.#answering = null;
    }
  }
}

/** After these the conversation goes on. */
const STAYS: ReadonlySet<string> = new Set(["CANCELLED", "INPUT_TOO_LARGE", "INPUT_INVALID", "TIMEOUT", "OVERLOADED"]);
