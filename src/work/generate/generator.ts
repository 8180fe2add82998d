/**
 * A language model that writes: one version on worker threads, asked by any number of callers at once. The calling
 * thread makes prompts and schedules, and never computes. An answer is a function of the version, the prompt and the
 * options alone: of nobody else's question, of no thread, and of no interruption.
 */
import { z } from "zod";
import { LockstepError, parseOptions, systemClock, type Clock } from "../../base/index.ts";
import { requireOwnTokenizer, type ChatMessage, type ChatOptions } from "../../language/text/index.ts";
import { createPackedWeights, withTokenizer, type PackedWeights, type Profile } from "../../numeric/runtime/index.ts";
import { readVersionInfo, type VersionFiles, type VersionInfo } from "../infer/index.ts";
import { endTokens } from "./end-tokens.ts";
import { Engine, type StepReport } from "./engine.ts";
import { Generation, type GenerationText } from "./generation.ts";
import { openGeneratorThread, type GeneratorThread } from "./generator-thread.ts";
import { parseGenerationOptions, type GenerationOptions } from "./options.ts";
import { GenerationRun, type Beginning } from "./run.ts";
import { beginGeneration, parseGenerationState, type GenerationState } from "./state.ts";

const generatorSchema = z.strictObject({
  /** @default "native" */
  executor: z.enum(["native", "portable"]).default("native"),
  /** Replicas, each on a thread of its own with caches of its own. 1..256 @default 1 */
  threads: z.int().min(1).max(256).default(1),
  /** Threads inside one operator of a replica; the bits are the same. 1..256 @default 1 */
  intraOpThreads: z.int().min(1).max(256).default(1),
  /** Sequences of one step, 1..64: more of them take turns. @default 8 */
  slots: z.int().min(1).max(64).default(8),
  /** New tokens of one step, so that a long prompt holds up nobody; at least `slots`. @default 128 */
  stepTokens: z.int().min(1).max(65_536).default(128),
  /** Tokens that the caches of a replica have room for; where it is full, sequences are put off. @default 16384 */
  cacheTokens: z.int().min(64).max(100_000_000).default(16_384),
  /** Of what has ended, tokens that are kept for prompts that begin alike; 0 for none. @default 4096 */
  prefixTokens: z.int().min(0).max(100_000_000).default(4096),
  /** Sequences that wait or run on a replica; more are refused with OVERLOADED. @default 1024 */
  maxSequences: z.int().min(1).max(1_000_000).default(1024),
  /** Told after each step. */
  onStep: z.custom<(step: StepReport) => void>().optional(),
  /** Of deadlines. @default the machine's */
  clock: z.custom<Clock>().optional(),
});
export type GeneratorOptions = Readonly<z.input<typeof generatorSchema>>;

const callFields = {
  /** Who asks: tokens are shared out between keys. @default "" */
  key: z.string().max(1000).default(""),
  /** The higher goes first. @default 0 */
  priority: z.int().min(-1000).max(1000).default(0),
  /** Milliseconds until the last token. @default 600000 */
  timeoutMs: z.int().min(1).max(86_400_000).default(600_000),
  signal: z.instanceof(AbortSignal).optional(),
};
const resumeSchema = z.strictObject(callFields);
const askSchema = z.looseObject({
  ...callFields,
  /** Answers to the one question, 1 to 128. @default 1 */
  n: z.int().min(1).max(128).default(1),
  /** Of messages: what the chat template is told besides. */
  chat: z.custom<Omit<ChatOptions, "addGenerationPrompt">>().optional(),
});

export type ResumeOptions = Readonly<z.input<typeof resumeSchema>>;
export interface GenerateOptions extends GenerationOptions, ResumeOptions {
  readonly n?: number;
  readonly chat?: Omit<ChatOptions, "addGenerationPrompt">;
}

/** A text to go on with, messages of a chat to answer, or ids. */
export type Prompt = string | readonly ChatMessage[] | { readonly ids: ArrayLike<number> };

interface GeneratorParts {
  readonly version: string;
  readonly info: VersionInfo;
  readonly profile: Profile;
  readonly context: number;
  readonly vocabulary: number;
  readonly text: GenerationText;
  readonly engines: readonly Engine[];
  /** One packed copy of the weights for all replicas, where the executor can share it. */
  readonly packed: PackedWeights | undefined;
}

export class TextGenerator implements AsyncDisposable {
  readonly #parts: GeneratorParts;
  #closed: Promise<void> | undefined;

  private constructor(parts: GeneratorParts) {
    this.#parts = parts;
  }

  /**
   * @throws MODEL_INVALID where it is no causal language model; WEIGHTS_INVALID, TOKENIZER_INVALID, OPTION_INVALID,
   *   NUMERICS_UNTRUSTED, RUNTIME_MISSING
   */
  static async open(
    { name, files }: { readonly name: string; readonly files: VersionFiles },
    options: GeneratorOptions = {},
  ): Promise<TextGenerator> {
    const settings = parseOptions(generatorSchema, options, "the options of the generator");
    const { executor, threads, slots, stepTokens, clock = systemClock } = settings;
    if (stepTokens < slots)
      throw new LockstepError("OPTION_INVALID", `stepTokens ${stepTokens} is less than slots ${slots}`);
    const info = readVersionInfo(files);
    if (info.head.kind !== "causal-lm")
      throw new LockstepError(
        "MODEL_INVALID",
        `this version is made for ${info.task}, so it has no next token; give a causal language model`,
        { task: info.task },
      );
    const { library } = info.tokenizer;
    if (executor === "portable") requireOwnTokenizer(library);
    const packed = await createPackedWeights(executor);
    const open = () => openGeneratorThread({ files, packed, ...settings });
    const replicas = await openAll(threads, open, () => packed?.release());
    const { profile, context, vocabulary } = replicas[0]!;
    const engines = replicas.map((backend) => new Engine({ ...settings, clock, backend, open }));
    return new TextGenerator({
      version: name,
      info,
      profile: library === undefined ? profile : withTokenizer(profile, library),
      context: Math.min(context, info.maxTokens),
      vocabulary,
      text: { tokenizer: info.tokenizer, ends: endTokens(files, info) },
      engines,
      packed,
    });
  }

  /** Name of the version. */
  get version(): string {
    return this.#parts.version;
  }
  get profile(): Profile {
    return this.#parts.profile;
  }
  get info(): VersionInfo {
    return this.#parts.info;
  }
  /** Most tokens of a prompt and its answer. */
  get context(): number {
    return this.#parts.context;
  }
  /** Sequences that wait or run. */
  get size(): number {
    return this.#parts.engines.reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * Tokens as they come, then the whole; `result()` for the whole alone. Work begins when reading does, and ends with
   * it. @throws OPTION_INVALID; see GenerationRun for what reading throws
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): GenerationRun {
    const { key, priority, timeoutMs, signal, n, chat, ...rest } = parseOptions(
      askSchema,
      options,
      "the options of the generation",
    );
    const settings = parseGenerationOptions(rest);
    const { version, profile, context, vocabulary } = this.#parts;
    return this.#run({ key, priority, timeoutMs, signal }, async () => {
      const ids = await this.#idsOf(prompt, chat);
      return Array.from({ length: n }, (_, choice) => ({
        state: beginGeneration(ids, settings, { version, profile: profile.id, choice, context, vocabulary }),
        text: "",
      }));
    });
  }

  /**
   * Goes on from states of this version in this profile, wherever they are from: the parts that are still to come, and
   * the whole answers at the end. Several are the answers to one question. @throws INPUT_INVALID, OPTION_INVALID
   */
  resume(states: GenerationState | readonly GenerationState[], options: ResumeOptions = {}): GenerationRun {
    const call = parseOptions(resumeSchema, options, "the options of resume");
    const list = ([states].flat() as unknown[]).map(parseGenerationState);
    if (list.length === 0 || new Set(list.map(({ choice }) => choice)).size < list.length)
      throw new LockstepError("INPUT_INVALID", "expected the states of different answers to one question");
    const { version, profile, text } = this.#parts;
    for (const state of list)
      if (state.version !== version || state.profile !== profile.id)
        throw new LockstepError(
          "INPUT_INVALID",
          `the state is of version ${state.version} in profile ${state.profile}; here, in ${version} and ` +
            `${profile.id}, it would go on with other bits`,
        );
    return this.#run(call, () =>
      Promise.resolve(list.map((state) => ({ state, text: new Generation(state, text).text }))),
    );
  }

  /** Ends what is under way with SHUTTING_DOWN; its states are there to go on with. Idempotent. */
  async close(): Promise<void> {
    this.#closed ??= Promise.all(this.#parts.engines.map((engine) => engine.close())).then(() =>
      this.#parts.packed?.release(),
    );
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #run(
    { signal, ...call }: z.output<typeof resumeSchema>,
    prepare: () => Promise<readonly Beginning[]>,
  ): GenerationRun {
    const [least, ...others] = this.#parts.engines;
    let engine = least!;
    for (const other of others) if (other.size < engine.size) engine = other;
    return new GenerationRun({
      prepare,
      submit: (state, reader, after) => engine.submit(state, reader, { ...call, after }),
      look: () => engine.look(),
      signal,
    });
  }

  async #idsOf(prompt: Prompt, chat: GenerateOptions["chat"]): Promise<ArrayLike<number>> {
    if (typeof prompt === "object" && "ids" in prompt) return prompt.ids;
    const { tokenizer } = this.#parts.info;
    if (chat !== undefined && typeof prompt === "string")
      throw new LockstepError("OPTION_INVALID", "chat belongs to messages; the prompt is a text");
    const encoded =
      typeof prompt === "string"
        ? await tokenizer.encode(prompt)
        : await tokenizer.encode(await tokenizer.applyChatTemplate(prompt, { ...chat, addGenerationPrompt: true }), {
            addSpecialTokens: false,
          });
    if (encoded.truncated)
      throw new LockstepError(
        "INPUT_TOO_LARGE",
        `the prompt has more tokens than the ${tokenizer.maxLength} that the model reads; shorten it`,
        { limit: tokenizer.maxLength },
      );
    return encoded.ids;
  }
}

/** All or none. */
async function openAll(
  count: number,
  open: () => Promise<GeneratorThread>,
  failed: () => void,
): Promise<GeneratorThread[]> {
  const opening = await Promise.allSettled(Array.from({ length: count }, open));
  const opened = opening.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const first = opening.find((one) => one.status === "rejected");
  if (first === undefined) return opened;
  for (const thread of opened) await thread.close();
  failed();
  throw first.reason;
}
