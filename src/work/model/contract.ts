/**
 * What a model answers to, whoever asks: the thread that owns it (`Model`) or any other that attached a handle
 * (`AttachedModel`). One typed API for both; the owner schedules everybody's requests together, and answers have the
 * same bits wherever they were asked.
 */
import type { MessagePort } from "node:worker_threads";
import { z } from "zod";
import { parseOptions, type ErrorCode } from "../../base/index.ts";
import type { Profile } from "../../numeric/runtime/index.ts";
import type { VersionInfo } from "../infer/index.ts";
import {
  TASKS,
  type AnswerOf,
  type Question,
  type RerankQuestion,
  type TaskName,
  type TaskOptions,
  type TextOrPair,
  type TextPair,
  type TypesOf,
} from "../tasks/index.ts";
import type { EventCountHandle } from "../../threads/sync/index.ts";
import type { LabelledText } from "../train/index.ts";
import { signalSchema } from "./options.ts";

/** What a request of any task may say beside the task's own options. */
export const askSchema = z.strictObject({
  /** Names the request; a sample for verification is drawn by it. @default a fresh one */
  id: z.string().min(1).max(200).optional(),
  /** Milliseconds from asking to answer. @default the model's */
  timeoutMs: z.int().min(1).optional(),
  signal: signalSchema,
});

export type AskOptions<T extends TaskName> = Readonly<z.input<typeof askSchema> & TaskOptions<T>>;
/** While a thread sleeps until the answer is there, no signal can reach it. */
export type SyncOptions<T extends TaskName> = Omit<AskOptions<T>, "signal">;

/** Options of a request, complete: the task's own, and those of every request. */
export interface ParsedOptions<T extends TaskName> extends z.output<typeof askSchema> {
  readonly own: TypesOf[T]["options"];
}

/** @throws OPTION_INVALID, or `code` */
export function parseAskOptions<T extends TaskName>(
  task: T,
  options: AskOptions<T>,
  { code = "OPTION_INVALID", sync = false }: { readonly code?: ErrorCode; readonly sync?: boolean } = {},
): ParsedOptions<T> {
  const { signal: _, ...withoutSignal } = askSchema.shape;
  const schema = z.strictObject({ ...TASKS[task].options.shape, ...(sync ? withoutSignal : askSchema.shape) });
  const parsed = parseOptions(schema, options, `the options of ${task}${sync ? "Sync" : ""}`, code);
  const { id, timeoutMs, signal, ...own } = parsed as z.output<typeof askSchema>;
  return { id, timeoutMs, signal, own };
}

/** Answers with what decided their bits. */
export interface Answers<T extends TaskName> {
  readonly answers: readonly AnswerOf<T>[];
  readonly profile: Profile;
}

export type ClassifyOptions = AskOptions<"classify">;
export type Classification = AnswerOf<"classify">;

/** A version as every thread knows it: plain data. */
export interface VersionFacts {
  /** 64 hexadecimal characters. */
  readonly version: string;
  readonly profile: Profile;
  readonly info: Omit<VersionInfo, "tokenizer">;
}

export type Example = LabelledText;

export const examplesSchema = z
  .array(z.strictObject({ text: z.string(), label: z.string() }))
  .min(1)
  .max(1024)
  .readonly();

/** The defaults were measured on a model of 77 classes; docs/guide.md says what they do there. */
export const learnSchema = z.strictObject({
  /** How far one step may move an example's logits, about. Any positive number. @default 1 */
  learningRate: z.number().positive().default(1),
  /** Gradient steps over all the examples, 1 to 10,000. @default 16 */
  steps: z.int().min(1).max(10_000).default(16),
  /** Pull back to where the update began, 0 (none) to 1, as a share of learningRate. @default 0.1 */
  l2: z.number().min(0).max(1).default(0.1),
  /**
   * Write the version into the store that the model was opened from, so that its answers can be replayed later. No
   * alias moves. @default false: in memory only; true, and nothing else, where receipts are kept of its answers
   */
  store: z.boolean().optional(),
  /** Takes the update out of the queue while it has not begun; one that has begun is finished. */
  signal: signalSchema,
});

export type LearnOptions = Readonly<z.input<typeof learnSchema>>;

export interface LearnResult {
  /** The version that this update made. */
  readonly version: string;
  /** The version that it started from: the one that the update or publication before it made. */
  readonly parent: string;
  /** The version that answers now: this one, or one that came after it and contains it. */
  readonly published: string;
  /** How many updates there have been since the model was trained, this one included. */
  readonly updates: number;
  /** Mean cross-entropy of the examples, in nats. */
  readonly lossBefore: number;
  readonly lossAfter: number;
}

export const handleSchema = z.strictObject({
  /**
   * Texts and examples that the handle may have under way at once; more are refused with OVERLOADED. 1 to 65,536.
   * @default 256
   */
  maxInFlight: z.int().min(1).max(65_536).default(256),
});

export type HandleOptions = Readonly<z.input<typeof handleSchema>>;

/**
 * What is posted to another thread: `new Worker(file, { workerData: handle, transferList: [handle.port] })`, or
 * `worker.postMessage(handle, [handle.port])`. Plain data and one port, so it is good for one `attachModel`; make one a
 * thread.
 */
export interface ModelHandle {
  readonly kind: "lockstep.model";
  readonly port: MessagePort;
  /** Counts the messages that the owner has sent; what a synchronous question sleeps on. */
  readonly bell: EventCountHandle;
  /** The thread that made it. */
  readonly owner: number;
  readonly maxInFlight: number;
  /** Milliseconds, where a request names no other. */
  readonly timeoutMs: number;
  /** When the handle was made; a thread that attaches it hears of later versions by itself. */
  readonly facts: VersionFacts;
}

/** Anything that answers: a model, an attached one, or a version of either that is held. */
export interface Askable {
  /** Name of the version that new questions are answered by: 64 hexadecimal characters. */
  readonly version: string;
  /** By class id; none where the version has no classes. */
  readonly labels: readonly string[];
  /** What decides the bits of its answers. */
  readonly profile: Profile;
  readonly info: Omit<VersionInfo, "tokenizer">;
  /**
   * One answer a question, all from one version, with what decided their bits: `profile` above may be another
   * version's by the time they are there. What follows are skins of this.
   */
  ask<T extends TaskName>(task: T, questions: readonly Question<T>[], options?: AskOptions<T>): Promise<Answers<T>>;
  classify(text: TextOrPair, options?: ClassifyOptions): Promise<Classification>;
  classify(texts: readonly TextOrPair[], options?: ClassifyOptions): Promise<readonly Classification[]>;
  multiLabel(text: TextOrPair, options?: AskOptions<"multi-label">): Promise<AnswerOf<"multi-label">>;
  multiLabel(
    texts: readonly TextOrPair[],
    options?: AskOptions<"multi-label">,
  ): Promise<readonly AnswerOf<"multi-label">[]>;
  score(text: TextOrPair, options?: AskOptions<"score">): Promise<AnswerOf<"score">>;
  score(texts: readonly TextOrPair[], options?: AskOptions<"score">): Promise<readonly AnswerOf<"score">[]>;
  tokenClassify(text: string, options?: AskOptions<"token-classify">): Promise<AnswerOf<"token-classify">>;
  tokenClassify(
    texts: readonly string[],
    options?: AskOptions<"token-classify">,
  ): Promise<readonly AnswerOf<"token-classify">[]>;
  embed(text: string, options?: AskOptions<"embed">): Promise<AnswerOf<"embed">>;
  embed(texts: readonly string[], options?: AskOptions<"embed">): Promise<readonly AnswerOf<"embed">[]>;
  similarity(pair: TextPair, options?: AskOptions<"similarity">): Promise<AnswerOf<"similarity">>;
  similarity(
    pairs: readonly TextPair[],
    options?: AskOptions<"similarity">,
  ): Promise<readonly AnswerOf<"similarity">[]>;
  rerank(question: RerankQuestion, options?: AskOptions<"rerank">): Promise<AnswerOf<"rerank">>;
  rerank(questions: readonly RerankQuestion[], options?: AskOptions<"rerank">): Promise<readonly AnswerOf<"rerank">[]>;
  fillMask(text: string, options?: AskOptions<"fill-mask">): Promise<AnswerOf<"fill-mask">>;
  fillMask(texts: readonly string[], options?: AskOptions<"fill-mask">): Promise<readonly AnswerOf<"fill-mask">[]>;
  perplexity(text: string, options?: AskOptions<"perplexity">): Promise<AnswerOf<"perplexity">>;
  perplexity(texts: readonly string[], options?: AskOptions<"perplexity">): Promise<readonly AnswerOf<"perplexity">[]>;
}

/**
 * A version that is held: it answers, and stays in memory, whatever else is published, until it is released (`using`,
 * `await using`), its model is closed, or the thread that holds it ends.
 */
export interface PinnedModel extends Askable, Disposable, AsyncDisposable {
  /** Lets the version go; questions under way are answered first. Idempotent. */
  release(): Promise<void>;
}

/** `Model` and `AttachedModel` alike. */
export interface ModelCaller extends Askable, AsyncDisposable {
  /** Holds the current version. @throws SHUTTING_DOWN, OVERLOADED */
  pin(): Promise<PinnedModel>;
  /**
   * Learns from feedback: a few steps of the last layer toward these labels, published as a new version. Updates and
   * publications of a model happen one after another, whoever asks for them, each starting from what the one before
   * made; none is lost.
   * @throws INPUT_INVALID (no such label), NON_FINITE, OVERLOADED, CANCELLED, SHUTTING_DOWN; nothing is changed then
   */
  learn(examples: readonly Example[], options?: LearnOptions): Promise<LearnResult>;
  /** For one more thread. @throws SHUTTING_DOWN, OPTION_INVALID */
  handle(options?: HandleOptions): ModelHandle;
  close(): Promise<void>;
}
