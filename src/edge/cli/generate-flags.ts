/** Flags of the verbs that write: how tokens are chosen, and what computes them. */
import { InvalidArgumentError, type Command } from "commander";
import type { GenerateOptions, LoadGeneratorOptions } from "../api/index.ts";
import { executorOption, integer, type Executor } from "./flags.ts";

export interface GenerateFlags {
  readonly version?: string;
  readonly executor?: Executor;
  readonly threads?: number;
  readonly maxTokens?: number;
  readonly minTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly seed?: string;
  readonly stop?: readonly string[];
}

export const GENERATOR_ARGUMENT = ["<model>", "a store, a folder in the Hugging Face layout, or a GGUF file"] as const;

/** Ranges are the API's to judge. */
export function addGenerateFlags(command: Command): Command {
  return command
    .option("--version <ref>", "of a store: alias, version name, or the start of one (default: champion)")
    .option("--threads <k>", "threads inside one operator (default: 1); the bits are the same", integer(1, 256))
    .addOption(executorOption("arithmetic (default: native)"))
    .option(
      "--max-tokens <n>",
      "most tokens of an answer (default: 256, or what the context has room for)",
      integer(1, 1e6),
    )
    .option("--min-tokens <n>", "no end among so many tokens", integer(0, 1e6))
    .option("--temperature <t>", "0 is greedy (default: 1)", real)
    .option("--top-k <k>", "only the k likeliest tokens", integer(0, 1e6))
    .option("--top-p <p>", "only the likeliest tokens that have together this probability", real)
    .option("--min-p <p>", "only tokens at least p times as likely as the likeliest", real)
    .option("--repetition-penalty <r>", "above 1: less of what is there already", real)
    .option("--presence-penalty <r>", "less of what the answer has already", real)
    .option("--frequency-penalty <r>", "less of what the answer has often", real)
    .option("--seed <seed>", "of the random numbers, a number or a text (default: 0)")
    .option(
      "--stop <text>",
      "ends the answer before this text; may be given several times",
      (text: string, list: string[] | undefined) => [...(list ?? []), text],
    );
}

/** What was given, by the API's names. */
export function generateOptions({
  version: _v,
  executor: _e,
  threads: _t,
  seed,
  ...rest
}: GenerateFlags): GenerateOptions {
  const said = Object.entries(rest).filter(([name, value]) => value !== undefined && NAMES.has(name));
  const options = Object.fromEntries(said) as GenerateOptions;
  return seed === undefined ? options : { ...options, seed: /^\d{1,15}$/.test(seed) ? Number(seed) : seed };
}

const NAMES: ReadonlySet<string> = new Set<keyof GenerateFlags>([
  "maxTokens",
  "minTokens",
  "temperature",
  "topK",
  "topP",
  "minP",
  "repetitionPenalty",
  "presencePenalty",
  "frequencyPenalty",
  "stop",
]);

export function generatorOptions({ version, executor, threads }: GenerateFlags): LoadGeneratorOptions {
  return {
    ...(version === undefined ? {} : { version }),
    ...(executor === undefined ? {} : { executor }),
    ...(threads === undefined ? {} : { intraOpThreads: threads }),
  };
}

function real(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("expected a number.");
  return value;
}
