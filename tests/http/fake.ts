/** A made-up Lockstep behind the HTTP server: no model, answers that say what was asked, and switches for the tests. */
import { setTimeout as delay } from "node:timers/promises";
import { LockstepError } from "../../src/base/index.ts";
import type {
  HttpDeps,
  HttpRequest,
  ModelInfo,
  PublishRequest,
  Status,
  TrainingStatus,
  WireAnswer,
} from "../../src/edge/http/index.ts";
import type { TaskName } from "../../src/work/tasks/index.ts";

export const MODEL: ModelInfo = {
  version: "v1-5f2c0a9be71d",
  aliases: ["champion"],
  serving: true,
  routes: ["/v1/classify"],
  labels: 77,
  mask_token: null,
  parameters: 5_312_845,
  profile: "native:test",
  weights_sha256: "ab".repeat(32),
  created: "2026-01-02T03:04:05.000Z",
};

export const TRAINING: TrainingStatus = {
  state: "training",
  phase: "fine-tuning",
  phases: ["tokenizer", "pre-training", "fine-tuning", "checks"],
  step: 120,
  steps: 2504,
  loss: 1.234,
  accuracy: 0.71,
  tokens_per_second: 18_250,
  seconds_left: 83,
  fraction: 0.42,
  threads: 2,
};

export const SERVING: Status = {
  state: "serving",
  model: MODEL,
  accuracy: { value: 0.8812, low: 0.8694, high: 0.8921, split: "test" },
  baseline: { value: 0.8636, low: 0.851, high: 0.8753, split: "test" },
  figure: null,
  examples: ["I am still waiting on my card?", "Why was I charged a fee for a transfer?", "How do I change my PIN?"],
};

interface Asked {
  readonly model: string | undefined;
  readonly topK: number;
  readonly seed: number | undefined;
  readonly signal: AbortSignal;
}

export class FakeDeps implements HttpDeps {
  status_: Status = SERVING;
  isReady = true;
  /** How long an answer takes; ends early when the request is aborted. */
  delayMs = 0;
  label = "card_arrival";
  failure: Error | undefined;
  readonly asked: { texts: readonly string[]; options: Asked }[] = [];
  readonly published: PublishRequest[] = [];
  readonly listeners = new Set<(status: Status) => void>();

  async ask<T extends TaskName>(task: T, request: HttpRequest<T>): Promise<readonly WireAnswer<T>[]> {
    const name: TaskName = task;
    if (name !== "classify") throw new Error("the fake only classifies");
    const answers: readonly WireAnswer<TaskName>[] = await this.#classify(request);
    return answers;
  }

  async #classify({ questions, ...request }: HttpRequest<TaskName>): Promise<WireAnswer<"classify">[]> {
    const options = {
      model: request.model,
      topK: "topK" in request.options ? request.options.topK! : 0,
      seed: request.seed,
      signal: request.signal,
    };
    const texts = questions.map(String);
    this.asked.push({ texts, options });
    if (this.failure !== undefined) throw this.failure;
    if (this.delayMs > 0) await delay(this.delayMs, undefined, { signal: options.signal });
    if (options.model !== undefined && options.model !== "champion")
      throw new LockstepError("NOT_FOUND", `no version ${options.model}`);
    const top = [
      { label: this.label, probability: 0.9312 },
      { label: "lost_or_stolen_card", probability: 0.0411 },
      { label: "card_delivery_estimate", probability: 0.0187 },
      { label: "card_linking", probability: 0.0042 },
      { label: "order_physical_card", probability: 0.0011 },
    ].slice(0, options.topK);
    return texts.map((text, i) => ({
      label: this.label,
      probability: 0.9312,
      abstained: text.includes("unsure"),
      truncated: false,
      top,
      version: MODEL.version,
      receipt: `r-${this.asked.length}-${i}`,
      latency_ms: 4.2,
    }));
  }

  models(): readonly ModelInfo[] {
    return [MODEL];
  }
  status(): Status {
    return this.status_;
  }
  subscribe(listener: (status: Status) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  emit(status: Status): void {
    this.status_ = status;
    for (const listener of this.listeners) listener(status);
  }
  async receipt(id: string): Promise<unknown> {
    return id.startsWith("r-") ? { id, version: MODEL.version } : undefined;
  }
  async publish(request: PublishRequest): Promise<ModelInfo> {
    this.published.push(request);
    return MODEL;
  }
  notReady(): LockstepError | undefined {
    return this.isReady ? undefined : new LockstepError("DISK_FAILED", "the log's disk is full");
  }
  metrics(): { name: string; help: string; kind: "counter"; value: number; labels: Record<string, string> }[] {
    return ["a", "b"].map((replica, i) => ({
      name: "lockstep_answers_total",
      help: "Answers.",
      kind: "counter",
      value: i + 1,
      labels: { replica },
    }));
  }
}
