/** `lockstep generate`: a text is gone on with, or a question answered, as it comes. */
import type { Command } from "commander";
import { formatCount, formatDuration, LockstepError } from "../../base/index.ts";
import { loadGenerator, type GenerationResult, type GenerationRun } from "../api/index.ts";
import { integer } from "./flags.ts";
import {
  addGenerateFlags,
  GENERATOR_ARGUMENT,
  generateOptions,
  generatorOptions,
  type GenerateFlags,
} from "./generate-flags.ts";
import { createOutput, FailedMidway, printablePiece, type Output } from "./output.ts";
import { onInterrupt } from "./signals.ts";

interface Flags extends GenerateFlags {
  readonly chat?: true;
  readonly system?: string;
  readonly n?: number;
  readonly logprobs?: number;
  readonly json?: true;
}

export function addGenerate(program: Command): void {
  addGenerateFlags(
    program
      .command("generate")
      .description("go on with a text, or answer one with --chat")
      .argument(...GENERATOR_ARGUMENT)
      .argument("<prompt>"),
  )
    .option("--chat", "the prompt is a message to answer, by the model's chat template")
    .option("--system <text>", "with --chat: what is said before it")
    .option("--n <k>", "answers, each of its own random numbers", integer(1, 128))
    .option("--logprobs <k>", "with --json: log-probabilities of each token and of the k likeliest", integer(0, 100))
    .option("--json", "the result as JSON on standard output, when it is complete")
    .addHelpText(
      "after",
      `
The same question has the same answer, bit for bit; --seed asks for another one.

Examples:
  lockstep generate ./stories "Once upon a time" --max-tokens 100
  lockstep generate ./model.gguf "What is a lock?" --chat --temperature 0
  lockstep generate ./models/mine "Dear customer," --n 3 --json`,
    )
    .action(async (path: string, prompt: string, flags: Flags) => {
      const { chat, system, n, logprobs, json } = flags;
      const output = createOutput(json === true);
      using interrupted = onInterrupt(output.note, "stopping");
      await using model = await loadGenerator(path, generatorOptions(flags));
      const messages = [
        ...(system === undefined ? [] : [{ role: "system", content: system }]),
        { role: "user", content: prompt },
      ];
      const run = model.generate(chat === true || system !== undefined ? messages : prompt, {
        ...generateOptions(flags),
        ...(n === undefined ? {} : { n }),
        ...(logprobs === undefined ? {} : { logprobs }),
        signal: interrupted.signal,
      });
      const started = performance.now();
      const { answers, usage, ...rest } = await shown(run, output, (n ?? 1) === 1);
      output.result({ answers, usage, ...rest });
      if (n !== undefined && n > 1)
        for (const { choice, text } of answers) output.print(`${choice + 1}: ${text.trim()}`);
      const took = formatDuration(performance.now() - started);
      output.note(
        `${formatCount(usage.promptTokens)} tokens read, ${formatCount(usage.answerTokens)} written in ${took}`,
      );
    });
}

/** Writes a single answer as it comes. */
export async function shown(run: GenerationRun, output: Output, single: boolean): Promise<GenerationResult> {
  let written = false;
  try {
    for await (const part of run) {
      if (part.kind === "end") {
        if (single && !output.json) process.stdout.write("\n");
        return part.result;
      }
      if (!single || output.json || part.text === "") continue;
      process.stdout.write(printablePiece(part.text));
      written = true;
      await output.drained();
    }
  } catch (thrown) {
    if (written) process.stdout.write("\n");
    throw written ? new FailedMidway("in the middle of the answer", { cause: thrown }) : thrown;
  }
  throw new LockstepError("INTERNAL", "a generation ended without a result");
}
