/**
 * What stands behind the HTTP routes: a model (once there is one), its store, the log of receipts, and the status that
 * a page shows. An answer leaves only after its receipt is on the disk. Long, for following an alias, publishing and
 * answering share one state that is read together.
 */
import { randomUUID } from "node:crypto";
import { canonicalJson, LockstepError, systemClock, timestamp, toLockstepError } from "../../base/index.ts";
import { modelParameters, parameterCount } from "../../language/models/index.ts";
import type { Profile } from "../../numeric/runtime/index.ts";
import type { AuditLog } from "../../work/audit/index.ts";
import { isAlias, type Store, type StoredVersion } from "../../work/store/index.ts";
import {
  recordOf,
  TASKS,
  tasksOf,
  type AnswerOf,
  type Task,
  type TaskName,
  type TypesOf,
} from "../../work/tasks/index.ts";
import type {
  HttpDeps,
  HttpRequest,
  MetricSample,
  ModelInfo,
  PublishRequest,
  ServingStatus,
  Status,
  WireAnswer,
} from "../http/index.ts";
import type { ServingFigures } from "./figures.ts";
import { LogHealth } from "./log-health.ts";
import type { AskOptions, Model, PinnedModel } from "../../work/model/index.ts";
import { notPublishable } from "./publishable.ts";
import { DEFAULT_ALIAS, isFolderSource, openPublishSource } from "./source.ts";
import type { Share } from "../../work/evaluate/index.ts";
import { figureName, type KeptFigures, type Metrics } from "./version-files.ts";

export interface ServiceOptions {
  readonly status: Status;
  readonly figures: ServingFigures;
  /** Questions to offer on the page. */
  readonly examples?: readonly string[];
  readonly onError?: (error: LockstepError) => void;
}

interface Serving {
  readonly model: Model;
  readonly store: Store | undefined;
  readonly audit: AuditLog | undefined;
  /** The store's versions, as it was last looked at. */
  versions: readonly StoredVersion[];
  /** What the store looked like then, and whether it looked the same at two looks, so that no change is in between. */
  stamp: string;
  calm: boolean;
  /** The alias that is followed, and what it named when it was last looked at or moved from here. */
  followed: { readonly alias: string; readonly version: string | undefined } | undefined;
  /** Loads what the followed alias came to name. */
  following: Promise<void>;
  /** What the alias named could not be loaded: when it is tried again, in milliseconds of `systemClock.elapsed`. */
  retry: { readonly at: number; readonly pauseMs: number } | undefined;
}

/**
 * How often the store is looked at for what other processes did, in milliseconds. Measured: 0.7 ms of CPU a look, on
 * two busy cores, so 0.3 % of one.
 */
const LOOK_EVERY_MS = 200;
/** Between tries to load what the alias names: doubled each time. */
const MIN_PAUSE_MS = 500;
const MAX_PAUSE_MS = 60_000;

export class Service implements HttpDeps, AsyncDisposable {
  readonly #figures: ServingFigures;
  readonly #onError: (error: LockstepError) => void;
  readonly #listeners = new Set<(status: Status) => void>();
  #examples: readonly string[];
  #status: Status;
  #curve: { readonly version: string; readonly points: NonNullable<ServingStatus["history"]> } | undefined;
  #serving: Serving | undefined;
  #health: LogHealth | undefined;
  readonly #endings: (() => void)[] = [];
  /** Whether the last look at the store failed: that is said once. */
  #blind = false;
  #ended = false;

  constructor({ status, figures, examples = [], onError = () => undefined }: ServiceOptions) {
    this.#status = status;
    this.#figures = figures;
    this.#examples = examples;
    this.#onError = onError;
  }

  /** From now on questions are answered. Where receipts are kept, no version answers that is in no store. */
  async begin(model: Model, audit: AuditLog | undefined): Promise<void> {
    this.#health = audit === undefined ? undefined : new LogHealth(audit);
    for (const notice of audit?.notices ?? []) this.#onError(new LockstepError("LOG_CORRUPT", notice));
    const { store, alias } = model.origin;
    const followed = alias === undefined ? undefined : { alias, version: model.version };
    const following = Promise.resolve();
    const serving: Serving = {
      model,
      store,
      audit,
      versions: [],
      stamp: "",
      calm: false,
      followed,
      following,
      retry: undefined,
    };
    if (audit !== undefined) model.keepVersions("receipts are kept of the answers, which have to be replayed later");
    this.#endings.push(
      model.observe(this.#figures.hooks),
      model.onVersion(() => this.setStatus(this.#servingStatus(serving))),
    );
    this.#serving = serving;
    await this.#look(serving);
    this.setStatus(this.#servingStatus(serving));
    if (store === undefined) return;
    const looking = setInterval(() => void this.#look(serving), LOOK_EVERY_MS).unref();
    this.#endings.push(() => clearInterval(looking));
  }

  /** Looks at the store no more, and counts the model's answers no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    for (const end of this.#endings.splice(0)) end();
    await this.#serving?.following;
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

  async ask<T extends TaskName>(
    name: T,
    { questions, options, model: wanted, seed, signal }: HttpRequest<T>,
  ): Promise<readonly WireAnswer<T>[]> {
    const serving = this.#require();
    const task: Task<T, TypesOf[T]> = TASKS[name];
    const started = performance.now();
    using held = wanted === undefined ? undefined : await this.#holding(serving, wanted, signal);
    const asked = { ...options, signal } as AskOptions<T>;
    const { answers, profile } = await (held ?? serving.model).ask(name, questions, asked);
    const receipts = await Promise.all(
      answers.map((answer, index) =>
        this.#record(serving.audit, name, answer, profile, recordOf(name, questions[index]!, options), seed),
      ),
    );
    const latency_ms = Math.round((performance.now() - started) * 1000) / 1000;
    return answers.map((answer, index) => ({
      ...task.toWire(answer),
      version: answer.version,
      receipt: receipts[index] ?? null,
      latency_ms,
    }));
  }

  models(): readonly ModelInfo[] {
    return this.#serving === undefined ? [] : modelsOf(this.#serving);
  }
  status(): Status {
    return this.#status;
  }
  notReady(): LockstepError | undefined {
    return this.#serving === undefined ? this.#notYet() : this.#health?.failure();
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
   * A version of the store, or a folder, which becomes one. In this order: its replicas are loaded and trusted, the
   * version is durable in the store, the alias names it, it answers, everybody is told. What fails leaves all as it
   * was (but for a version that nothing names); the last two cannot fail. Questions under way keep their version.
   */
  async publish({ source, alias = DEFAULT_ALIAS }: PublishRequest): Promise<ModelInfo> {
    const serving = this.#require();
    const { store, model } = serving;
    if (store === undefined)
      throw new LockstepError(
        "FORBIDDEN",
        "this server serves a plain folder, which has no versions; serve a store to publish into it",
      );
    let name = "";
    try {
      await model.publish({
        read: async () => {
          const version = await openPublishSource(store, source);
          ({ name } = version);
          return version;
        },
        commit: async (version) => {
          if (isFolderSource(source)) await store.publish(version.files);
          await store.setAlias(alias, version.name);
          serving.followed = { alias, version: version.name };
          serving.retry = undefined;
        },
      });
    } catch (thrown) {
      throw notPublishable(name, thrown);
    }
    await this.#look(serving);
    const info = modelsOf(serving).find((one) => one.version === name);
    if (info === undefined)
      throw new LockstepError("INTERNAL", `version ${name} is published, but the store does not list it`);
    return info;
  }

  async #record<T extends TaskName>(
    audit: AuditLog | undefined,
    name: T,
    answer: AnswerOf<T>,
    profile: Profile,
    request: Readonly<Record<string, unknown>>,
    seed: number | undefined,
  ): Promise<string | null> {
    if (audit === undefined) return null;
    const task: Task<T, TypesOf[T]> = TASKS[name];
    const receipt = await (this.#health ?? audit).append({
      requestId: randomUUID(),
      version: answer.version,
      profile,
      request: canonicalJson(request),
      answerDigest: answer.digest,
      summary: task.summary(answer),
      at: timestamp(),
      ...(seed === undefined ? {} : { seed }),
    });
    return receipt.hash;
  }

  /**
   * Looks at the store: another process may have published, moved an alias or removed a version. Where the followed
   * alias has moved, its version is loaded, in turn with whatever else changes the model; where that failed, it is
   * tried again after a pause.
   */
  async #look(serving: Serving): Promise<void> {
    const { store } = serving;
    if (store === undefined) return;
    try {
      const stamp = await store.stamp();
      const { followed } = serving;
      const target = followed === undefined ? undefined : await store.alias(followed.alias);
      if (followed !== undefined && target !== followed.version) {
        serving.followed = { alias: followed.alias, version: target };
        serving.retry = undefined;
        // an alias that was taken away may come again; until then what answers goes on
        if (target !== undefined) serving.following = this.#follow(serving, store, followed.alias);
      } else if (followed !== undefined && serving.retry !== undefined && systemClock.elapsed() >= serving.retry.at) {
        serving.retry = { at: Infinity, pauseMs: serving.retry.pauseMs };
        serving.following = this.#follow(serving, store, followed.alias);
      }
      const same = stamp === serving.stamp;
      if (!same || !serving.calm) {
        serving.versions = await store.list();
        serving.stamp = stamp;
        serving.calm = same;
        if (!this.#ended) this.setStatus(this.#servingStatus(serving));
      }
      this.#blind = false;
    } catch (thrown) {
      // the list is for people; answers do not depend on it
      if (!this.#blind && !this.#ended) this.#onError(toLockstepError(thrown));
      this.#blind = true;
    }
  }

  async #follow(serving: Serving, store: Store, alias: string): Promise<void> {
    const { model } = serving;
    try {
      await model.publish({
        read: async () => {
          const target = await store.alias(alias);
          return target === undefined || target === model.version ? undefined : await openPublishSource(store, target);
        },
        commit: () => Promise.resolve(), // the store has it, and the alias names it
      });
      serving.retry = undefined;
    } catch (thrown) {
      const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, 2 * (serving.retry?.pauseMs ?? 0)));
      serving.retry = { at: systemClock.elapsed() + pauseMs, pauseMs };
      this.#onError(toLockstepError(thrown)); // what answers goes on, and says which version it is
    }
  }

  #servingStatus(serving: Serving): ServingStatus {
    const { model } = serving;
    const metrics = (model.description?.["metrics"] ?? {}) as Metrics;
    return {
      state: "serving",
      model: modelsOf(serving)[0]!,
      accuracy: measured(metrics.test?.accuracy, "test") ?? measured(metrics.validation?.accuracy, "validation"),
      baseline: measured(metrics.baseline?.accuracy, "test"),
      figure: figureOf(metrics.test, "test") ?? figureOf(metrics.validation, "validation"),
      examples: [...this.#examples],
      ...(this.#curve?.version === model.version ? { history: this.#curve.points } : {}),
    };
  }

  #require(): Serving {
    if (this.#serving === undefined) throw this.#notYet();
    return this.#serving;
  }

  #notYet(): LockstepError {
    return new LockstepError("OVERLOADED", "the model is still being trained; ask again when /readyz says so", {
      retryAfterSeconds: 5,
    });
  }

  /**
   * The version that `wanted` names, held: an alias is read from the store each time, so that no answer comes from a
   * version that it no longer names. Where it was moved a moment ago, the question waits until its version is loaded.
   */
  async #holding(serving: Serving, wanted: string, signal: AbortSignal): Promise<PinnedModel> {
    for (let tries = 0; ; tries++) {
      const held = await serving.model.pin();
      if (await this.#names(serving, wanted, held.version)) return held;
      await held.release();
      if (tries === FOLLOW_TRIES || serving.followed?.alias !== wanted) throw await notServed(serving, wanted);
      await this.#look(serving);
      await orAborted(serving.following, signal);
      await orAborted(serving.model.settled(), signal);
    }
  }

  async #names({ store }: Serving, wanted: string, version: string): Promise<boolean> {
    if (wanted.length >= 4 && version.startsWith(wanted)) return true;
    return store !== undefined && isAlias(wanted) && (await store.alias(wanted)) === version;
  }
}

/** An alias may name a version that this server does not have, or had until the model learned. */
async function notServed(serving: Serving, wanted: string): Promise<LockstepError> {
  const { version, aliases } = modelsOf(serving)[0]!;
  const named = isAlias(wanted) ? await serving.store?.alias(wanted) : undefined;
  return new LockstepError(
    "NOT_FOUND",
    `this server answers with version ${version.slice(0, 12)} (${aliases.join(", ") || "no alias"}), not with ` +
      (named === undefined
        ? `"${wanted}"`
        : `what the alias "${wanted}" names, version ${named.slice(0, 12)}; leave \`model\` out, or publish the ` +
          "version that is to have that alias"),
    { model: wanted },
  );
}

/** Publications that a question follows before it is refused. */
const FOLLOW_TRIES = 3;

async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    reject(new LockstepError("CANCELLED", "the request was cancelled by its caller", {}, { cause: signal.reason }));
  };
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** The version that answers, first, as it is now; then what else the store has. */
function modelsOf({ model, versions, followed }: Serving): ModelInfo[] {
  const aliasesOf = (name: string): string[] => {
    const listed = versions.find((version) => version.name === name)?.aliases ?? [];
    const others = listed.filter((alias) => alias !== followed?.alias);
    return followed?.version === name ? [...others, followed.alias].sort() : others;
  };
  const served = describe(model, aliasesOf(model.version));
  const own = versions.find(({ name }) => name === model.version);
  return [
    own === undefined ? served : { ...served, created: isoTime(own.createdAt) },
    ...versions
      .filter((version) => version !== own)
      .map(({ name, createdAt }) => ({
        ...NOT_LOADED,
        version: name,
        aliases: aliasesOf(name),
        created: isoTime(createdAt),
      })),
  ];
}

/** Of a version that is not in memory. */
const NOT_LOADED = {
  serving: false,
  routes: null,
  labels: null,
  mask_token: null,
  parameters: null,
  profile: null,
  weights_sha256: null,
};

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function describe(model: Model, aliases: readonly string[]): ModelInfo {
  const { config, head, labels, tokenizer } = model.info;
  const { mask } = tokenizer.special;
  const { executor, form, build, id } = model.profile;
  return {
    version: model.version,
    aliases: [...aliases],
    serving: true,
    routes: tasksOf(model.info).map((task) => TASKS[task].route),
    labels: labels.length,
    mask_token: head.kind === "masked-lm" && mask >= 0 ? tokenizer.decode([mask], WITH_SPECIAL) : null,
    parameters: parameterCount(modelParameters(config, head)),
    profile: `${executor} ${form}, ${build} (${id.slice(0, 12)})`,
    weights_sha256: model.description?.weights_sha256 ?? null,
    created: null,
  };
}

const WITH_SPECIAL = { skipSpecialTokens: false };

/** Which figure of several is shown, where there is no accuracy. */
const FIRST = ["entity_f1", "micro_f1", "spearman", "pearson", "perplexity"];

/** One that has an interval. */
function figureOf(kept: KeptFigures | undefined, split: "test" | "validation"): ServingStatus["figure"] {
  if (kept === undefined || kept.accuracy !== undefined) return null;
  const name = [...FIRST, ...Object.keys(kept)].find((one) => typeof kept[one] === "object");
  const figure = name === undefined ? undefined : kept[name];
  if (name === undefined || typeof figure !== "object") return null;
  const { value, low, high } = figure;
  return { name: figureName(name), value, low, high, split };
}

function measured(share: Share | undefined, split: "test" | "validation"): ServingStatus["accuracy"] {
  return share === undefined ? null : { value: share.value, low: share.low, high: share.high, split };
}
