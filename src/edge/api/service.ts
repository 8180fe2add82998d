/**
 * What stands behind the HTTP routes: a model (once there is one), its store, the log of receipts, and the status that
 * a page shows. An answer leaves only after its receipt is on the disk.
 */
import { randomUUID } from "node:crypto";
import { canonicalJson, LockstepError, timestamp, toLockstepError } from "../../base/index.ts";
import { bertParameters, parameterCount } from "../../language/models/index.ts";
import type { Profile } from "../../numeric/runtime/index.ts";
import type { AuditLog } from "../../work/audit/index.ts";
import type { Store } from "../../work/store/index.ts";
import type {
  ClassifyAnswer,
  ClassifyOptions,
  HttpDeps,
  MetricSample,
  ModelInfo,
  PublishRequest,
  ServingStatus,
  Status,
} from "../http/index.ts";
import type { ServingFigures } from "./figures.ts";
import { LogHealth } from "./log-health.ts";
import type { Classification, Model } from "../../work/model/index.ts";
import { DEFAULT_ALIAS, isFolderSource, openPublishSource } from "./source.ts";
import type { Metrics, Share } from "./version-files.ts";

export interface ServiceOptions {
  readonly status: Status;
  readonly figures: ServingFigures;
  /** Questions to offer on the page. */
  readonly examples?: readonly string[];
  readonly onError?: (error: LockstepError) => void;
}

/** The normalized request, as a receipt commits to it and replay reads it. */
export interface RecordedRequest {
  readonly text: string;
  readonly top_k: number;
}

/**
 * What a receipt keeps of an answer. `truncated` (only a part of the text was read) is not in receipts of before.
 */
export function summaryOf(answer: Classification): Readonly<Record<string, unknown>> {
  const { label, probability, abstained, top, truncated } = answer;
  return {
    label,
    probability,
    abstained,
    top: top.map((one) => ({ label: one.label, probability: one.probability })),
    truncated,
  };
}

interface Serving {
  readonly model: Model;
  readonly store: Store | undefined;
  readonly audit: AuditLog | undefined;
  models: readonly ModelInfo[];
}

export class Service implements HttpDeps {
  readonly #figures: ServingFigures;
  readonly #onError: (error: LockstepError) => void;
  readonly #listeners = new Set<(status: Status) => void>();
  #examples: readonly string[];
  #status: Status;
  #curve: { readonly version: string; readonly points: NonNullable<ServingStatus["history"]> } | undefined;
  #publishing: Promise<void> = Promise.resolve();
  #serving: Serving | undefined;
  #health: LogHealth | undefined;

  constructor({ status, figures, examples = [], onError = () => undefined }: ServiceOptions) {
    this.#status = status;
    this.#figures = figures;
    this.#examples = examples;
    this.#onError = onError;
  }

  /** From now on questions are answered. */
  async begin(model: Model, store: Store | undefined, audit: AuditLog | undefined): Promise<void> {
    this.#health = audit === undefined ? undefined : new LogHealth(audit);
    for (const notice of audit?.notices ?? []) this.#onError(new LockstepError("LOG_CORRUPT", notice));
    this.#serving = { model, store, audit, models: [] };
    await this.#refresh(this.#serving);
  }

  /** Questions that the page offers. */
  offer(examples: readonly string[]): void {
    this.#examples = examples;
  }

  /** The loss of the training that made `version`, which the page goes on showing. */
  keepCurve(version: string, points: ServingStatus["history"]): void {
    this.#curve = { version, points: [...(points ?? [])] };
  }

  setStatus(status: Status): void {
    this.#status = status;
    const { history: _, ...event } = status as Status & { history?: unknown };
    for (const listener of this.#listeners) listener(event);
  }

  async classify(
    texts: readonly string[],
    { model: wanted, topK, seed, signal }: ClassifyOptions,
  ): Promise<readonly ClassifyAnswer[]> {
    const serving = this.#require();
    this.#requireServed(serving, wanted);
    const started = performance.now();
    const { answers, profile } = await serving.model.classifyOnProfile(texts, { topK, signal });
    const receipts = await Promise.all(
      answers.map((answer, index) =>
        this.#record(serving.audit, answer, profile, { text: texts[index]!, top_k: topK }, seed),
      ),
    );
    const latency_ms = Math.round((performance.now() - started) * 1000) / 1000;
    return answers.map(({ label, probability, abstained, truncated, top, version }, index) => ({
      label: abstained ? null : label,
      probability,
      abstained,
      truncated,
      top: [...top],
      version,
      receipt: receipts[index] ?? null,
      latency_ms,
    }));
  }

  models(): readonly ModelInfo[] {
    return this.#serving?.models ?? [];
  }
  status(): Status {
    return this.#status;
  }
  ready(): boolean {
    return this.#serving !== undefined && this.#health?.isWritable() !== false;
  }
  async receipt(id: string): Promise<unknown> {
    return await this.#serving?.audit?.get(id);
  }
  metrics(): readonly MetricSample[] {
    return this.#figures.samples();
  }

  subscribe(listener: (status: Status) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * A version of the store, or a folder, which becomes one. Its replicas stand before the alias moves; questions under
   * way keep their version.
   */
  publish(request: PublishRequest): Promise<ModelInfo> {
    // One at a time: two at once could leave the alias on one version and the replicas on the other.
    const turn = this.#publishing.then(() => this.#publishNow(request));
    this.#publishing = turn.then(
      () => undefined,
      () => undefined,
    ); // its caller is told; the next one's turn comes all the same
    return turn;
  }

  async #publishNow({ source, alias = DEFAULT_ALIAS }: PublishRequest): Promise<ModelInfo> {
    const serving = this.#require();
    const { store, model } = serving;
    if (store === undefined)
      throw new LockstepError(
        "FORBIDDEN",
        "this server serves a plain folder, which has no versions; serve a store to publish into it",
      );
    const version = await openPublishSource(store, source);
    await model.publish(version);
    if (isFolderSource(source)) await store.publish(version.files, { alias });
    else await store.setAlias(alias, version.name);
    await this.#refresh(serving);
    const info = serving.models.find((one) => one.version === version.name);
    if (info === undefined)
      throw new LockstepError("INTERNAL", `version ${version.name} is published, but the store does not list it`);
    return info;
  }

  async #record(
    audit: AuditLog | undefined,
    answer: Classification,
    profile: Profile,
    request: RecordedRequest,
    seed: number | undefined,
  ): Promise<string | null> {
    if (audit === undefined) return null;
    const receipt = await (this.#health ?? audit).append({
      requestId: randomUUID(),
      version: answer.version,
      profile,
      request: canonicalJson(request),
      answerDigest: answer.digest,
      summary: summaryOf(answer),
      at: timestamp(),
      ...(seed === undefined ? {} : { seed }),
    });
    return receipt.hash;
  }

  async #refresh(serving: Serving): Promise<void> {
    const { model, store } = serving;
    const served = describe(model, []);
    try {
      const versions = store === undefined ? [] : await store.list();
      const listed = versions
        .filter(({ name }) => name !== served.version)
        .map(({ name, aliases, createdAt }) => ({
          ...NOT_LOADED,
          version: name,
          aliases: [...aliases],
          created: isoTime(createdAt),
        }));
      const own = versions.find(({ name }) => name === served.version);
      serving.models = [
        { ...served, aliases: [...(own?.aliases ?? [])], created: own === undefined ? null : isoTime(own.createdAt) },
        ...listed,
      ];
    } catch (thrown) {
      this.#onError(toLockstepError(thrown)); // the list is for people; answers do not depend on it
      serving.models = [served];
    }
    this.setStatus(this.#servingStatus(serving));
  }

  #servingStatus({ model, models }: Serving): ServingStatus {
    const metrics = (model.description?.["metrics"] ?? {}) as Metrics;
    return {
      state: "serving",
      model: models[0]!,
      accuracy: measured(metrics.test?.accuracy, "test") ?? measured(metrics.validation?.accuracy, "validation"),
      baseline: measured(metrics.baseline?.accuracy, "test"),
      examples: [...this.#examples],
      ...(this.#curve?.version === model.version ? { history: this.#curve.points } : {}),
    };
  }

  #require(): Serving {
    if (this.#serving === undefined)
      throw new LockstepError("OVERLOADED", "the model is still being trained; ask again when /readyz says so", {
        retryAfterSeconds: 5,
      });
    return this.#serving;
  }

  /**
   * Compared with the version that a question asked now is pinned to; the list of models follows a publish a moment
   * later.
   */
  #requireServed({ model, models }: Serving, wanted: string | undefined): void {
    const served = models[0];
    if (wanted === undefined || served === undefined) return;
    if (served.aliases.includes(wanted) || (wanted.length >= 4 && model.version.startsWith(wanted))) return;
    throw new LockstepError(
      "NOT_FOUND",
      `this server serves version ${served.version.slice(0, 12)} (${served.aliases.join(", ") || "no alias"}), ` +
        `not "${wanted}"`,
      { model: wanted },
    );
  }
}

/** Of a version that is not in memory. */
const NOT_LOADED = { serving: false, labels: null, parameters: null, profile: null, weights_sha256: null };

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function describe(model: Model, aliases: readonly string[]): ModelInfo {
  const { config, head, labels } = model.info;
  const { executor, form, build, id } = model.profile;
  return {
    version: model.version,
    aliases: [...aliases],
    serving: true,
    labels: labels.length,
    parameters: parameterCount(bertParameters(config, head)),
    profile: `${executor} ${form}, ${build} (${id.slice(0, 12)})`,
    weights_sha256: model.description?.weights_sha256 ?? null,
    created: null,
  };
}

function measured(share: Share | undefined, split: "test" | "validation"): ServingStatus["accuracy"] {
  return share === undefined ? null : { value: share.value, low: share.low, high: share.high, split };
}
