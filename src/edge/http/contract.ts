/**
 * What goes over the wire, as schemas: requests are parsed by them, responses are typed by them, and the OpenAPI
 * document is made from them. And `HttpDeps`, what the server needs from the rest: it holds no model and computes no
 * answer.
 */
import { z } from "zod";
import type { LockstepError } from "../../base/index.ts";
import { TASKS, type Question, type TaskName, type TypesOf } from "../../work/tasks/index.ts";

/** What the server adds to every answer. */
const delivered = z.object({
  version: z.string().meta({ description: "The one version that the whole answer comes from." }),
  receipt: z
    .string()
    .nullable()
    .meta({ description: "Names the record that the answer can be replayed from; null if none is kept." }),
  latency_ms: z.number(),
});

/** An answer of a task over HTTP. */
export type WireAnswer<T extends TaskName> = TypesOf[T]["wire"] & z.output<typeof delivered>;

export function responseOf(task: TaskName): z.ZodObject {
  const answer = TASKS[task].wire.extend(delivered.shape);
  return z.object({ answers: z.array(answer), model: z.string() });
}

export const modelInfo = z.object({
  version: z.string(),
  aliases: z.array(z.string()),
  serving: z.boolean(),
  routes: z
    .array(z.string())
    .nullable()
    .meta({ description: "Where it can be asked; null, as the next five, for a version that is not loaded." }),
  labels: z.int().nullable().meta({ description: "How many classes; 0 for a version that has none." }),
  mask_token: z
    .string()
    .nullable()
    .meta({ description: "What stands for a missing word in a text to fill in; null where the version has none." }),
  parameters: z.int().nullable(),
  profile: z.string().nullable().meta({ description: "The numerics profile: what decides the bits below Lockstep." }),
  weights_sha256: z.string().nullable(),
  created: z.string().nullable(),
});
export const modelsResponse = z.object({ models: z.array(modelInfo) });

export const publishRequest = z.strictObject({
  source: z
    .string()
    .min(1)
    .max(4096)
    .refine((value) => !value.includes("\0"), "expected no character U+0000")
    .meta({ description: "A version's name in the store, or a folder on the server's machine." }),
  alias: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9._-]{0,63}$/,
      "expected lower-case letters, digits, dots, hyphens and underscores, at most 64",
    )
    .optional(),
});

const interval = z
  .object({ value: z.number(), low: z.number(), high: z.number() })
  .meta({ description: "A share with its 95 % interval." });
const measured = interval
  .extend({ split: z.enum(["test", "validation"]).meta({ description: "The examples it was measured on." }) })
  .meta({ description: "An accuracy with its 95 % interval." });
const figure = interval
  .extend({ name: z.string(), split: measured.shape.split })
  .meta({ description: "A figure that is no share of texts, by its name, with its 95 % interval." });
const lossPoint = z.object({ phase: z.string(), step: z.int(), loss: z.number() });

export const trainingStatus = z.object({
  state: z.literal("training"),
  phase: z.string().meta({ description: "What is being done, in words: pretrain, finetune …" }),
  phases: z.array(z.string()).meta({ description: "All phases in order." }),
  step: z.int(),
  steps: z.int(),
  loss: z.number().nullable(),
  accuracy: z.number().nullable().meta({ description: "On the validation split, when it was last measured." }),
  tokens_per_second: z.number().nullable(),
  seconds_left: z.number().nullable(),
  fraction: z.number().meta({ description: "Of the whole, 0 to 1." }),
  threads: z.int(),
  history: z.array(lossPoint).optional().meta({ description: "The loss so far, thinned; not in events." }),
});
export const servingStatus = z.object({
  state: z.literal("serving"),
  model: modelInfo,
  accuracy: measured
    .nullable()
    .meta({ description: "The version's, on its test split, else on its validation split." }),
  baseline: measured.nullable().meta({ description: "A linear model's." }),
  figure: figure
    .nullable()
    .meta({ description: "Of a version that has no accuracy: its first figure, on the test split if there is one." }),
  examples: z.array(z.string()).meta({ description: "Questions to offer." }),
  history: z
    .array(lossPoint)
    .optional()
    .meta({ description: "The loss of the training that made this version, where this server saw it; not in events." }),
});
export const failedStatus = z.object({ state: z.literal("failed"), code: z.string(), message: z.string() });
export const statusResponse = z.discriminatedUnion("state", [trainingStatus, servingStatus, failedStatus]);

export const errorResponse = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    details: z.record(z.string(), z.unknown()),
    retryable: z.boolean(),
  }),
});

export const readyResponse = z.object({
  ready: z.boolean(),
  error: errorResponse.shape.error.optional().meta({ description: "Why no question is answered, where none is." }),
});

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
export const receiptResponse = z.object({
  index: z.int().meta({ description: "Its place in the log, from 0." }),
  hash: sha256.meta({ description: "SHA-256 of the receipt; what an answer names it by." }),
  previous: sha256.meta({ description: "Hash of the receipt before it; 64 zeros in the first." }),
  requestId: z.string(),
  version: z.string(),
  profileId: z.string(),
  profile: z.string().meta({ description: "The numerics profile, as canonical JSON." }),
  commitment: sha256.meta({ description: "To the request: what stays when its text is erased." }),
  summaryCommitment: sha256.meta({ description: "To the summary." }),
  seed: z.string().nullable().meta({ description: "As the request gave it." }),
  answerDigest: z.string().meta({ description: "SHA-256 of the bits of what the version's program gave." }),
  at: z.string(),
  request: z.string().nullable().meta({ description: "The request, as canonical JSON; null once it is erased." }),
  summary: z.string().nullable().meta({ description: "The answer, as canonical JSON; null once it is erased." }),
  salt: z.string().nullable(),
  erasedAt: z.string().nullable(),
  kind: z
    .enum(["answer", "erasure"])
    .meta({ description: "An answer; or the record that texts of answers were erased, which its request lists." }),
});

export type ModelInfo = z.output<typeof modelInfo>;
export type PublishRequest = z.output<typeof publishRequest>;
export type TrainingStatus = z.output<typeof trainingStatus>;
export type ServingStatus = z.output<typeof servingStatus>;
export type FailedStatus = z.output<typeof failedStatus>;
export type Status = z.output<typeof statusResponse>;

/** A request of a task, with what every request may say. */
export interface HttpRequest<T extends TaskName> {
  readonly questions: readonly Question<T>[];
  readonly options: TypesOf[T]["options"];
  readonly model?: string | undefined;
  readonly seed?: number | undefined;
  /** Aborted when the client has gone or the time limit has passed. */
  readonly signal: AbortSignal;
}

/** One sample for /metrics. Names end in their unit; a counter's in _total. */
export interface MetricSample {
  readonly name: string;
  readonly help: string;
  readonly kind: "gauge" | "counter";
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface HttpDeps {
  /** One answer a question, in their order, all from one version. Throws LockstepErrors. */
  ask<T extends TaskName>(task: T, request: HttpRequest<T>): Promise<readonly WireAnswer<T>[]>;
  models(): readonly ModelInfo[];
  status(): Status;
  /** Calls `listener` at every change of status (its `history` left out); the result ends that. */
  subscribe(listener: (status: Status) => void): () => void;
  /** The record named by an answer's receipt, or undefined. */
  receipt(id: string): Promise<unknown>;
  /** Publishes into the running server. Absent: the route refuses. */
  publish?(request: PublishRequest): Promise<ModelInfo>;
  /** Why no question can be answered now; undefined: they are answered. */
  notReady(): LockstepError | undefined;
  metrics?(): readonly MetricSample[];
}
