/**
 * A model: one published version at a time, on worker threads, callable by any number of callers at once. The calling
 * thread never computes: it tokenizes, queues and reads logits. Publishing another version swaps it in between two
 * requests.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { isLockstepError, LockstepError, parseOptions } from "../../base/index.ts";
import { checkText, requireOwnTokenizer } from "../../language/text/index.ts";
import { withTokenizer, type Profile, type ServingExecutor } from "../../numeric/runtime/index.ts";
import { readLockstepFile, readVersionInfo, toAnswer, type LockstepFile, type VersionInfo } from "../infer/index.ts";
import {
  createScheduler,
  openThreadReplica,
  type Scheduler,
  type ThreadReplica,
  type ServeHooks,
  type VersionPin,
} from "../serve/index.ts";
import type { LoadedVersion, Store } from "../store/index.ts";
import type {
  ClassifyOptions,
  Example,
  HandleOptions,
  LearnOptions,
  LearnResult,
  ModelCaller,
  ModelHandle,
  PinnedModel,
  ProfiledAnswers,
  VersionFacts,
} from "./contract.ts";
import { ClosableClassifier, listOf } from "./classifier.ts";
import { classifySchema } from "./contract.ts";
import { HandleHost } from "./handle-host.ts";
import { ChangeQueue, type Publication } from "./change-queue.ts";
import { HeldVersion } from "./held-version.ts";
import { defaultThreads, threadsSchema } from "./options.ts";
import { inSlices } from "./slices.ts";

export const modelSchema = z.strictObject({
  version: z.string().min(1).optional(),
  executor: z.enum(["native", "portable"]).optional(),
  threads: threadsSchema.optional(),
  intraOpThreads: z.int().min(1).max(256).default(1),
  maxQueue: z.int().min(1).max(1_000_000).default(1024),
  maxBatchRows: z.int().min(1).max(4096).default(32),
  timeoutMs: z.int().min(1).max(3_600_000).default(30_000),
  verifySample: z.number().min(0).max(1).default(0),
  hooks: z.custom<ServeHooks>().optional(),
});

export interface ModelOptions {
  /**
   * An alias, a version's name, or at least four characters of one. @default the alias "champion", or the only version
   */
  readonly version?: string | undefined;
  /** @default the one that the version was made with */
  readonly executor?: ServingExecutor | undefined;
  /** Replicas, each on a thread of its own; packed weights are shared where the executor can. @default all cores */
  readonly threads?: number | undefined;
  /**
   * Threads inside one operator of a replica, for few and long texts on idle cores; the bits are the same. The portable
   * executor has one. 1..256. @default 1
   */
  readonly intraOpThreads?: number | undefined;
  /** Texts that may wait; more are refused with OVERLOADED. @default 1024 */
  readonly maxQueue?: number | undefined;
  /** Texts a batch at most. Batch mates never change an answer. @default 32 */
  readonly maxBatchRows?: number | undefined;
  /** Milliseconds from asking to answer. @default 30000 */
  readonly timeoutMs?: number | undefined;
  /** Share of texts computed a second time on another replica and compared bit for bit, 0 to 1. @default 0 */
  readonly verifySample?: number | undefined;
  readonly hooks?: ServeHooks | undefined;
}

/** Of a version in memory. */
interface ModelVersion {
  readonly name: string;
  readonly files: LoadedVersion["files"];
  readonly info: VersionInfo;
  readonly own: LockstepFile | undefined;
  /** Known once a replica is open. */
  profile?: Profile;
}

/** Texts in one request of a long list, and how many such requests wait at once, where the queue has room for them. */
const CHUNK = 64;
const CHUNKS_AT_ONCE = 4;

export interface ModelOrigin {
  /** Undefined for a folder. */
  readonly store?: Store | undefined;
  /** The alias that it was opened by, if it was. */
  readonly alias?: string | undefined;
}

/** A version as it was read, and where it came from. */
export interface OpenedVersion extends LoadedVersion, ModelOrigin {}

interface ModelParts {
  readonly scheduler: Scheduler<ModelVersion>;
  readonly observers: Set<ServeHooks>;
  readonly origin: ModelOrigin;
  readonly timeoutMs: number;
  readonly maxQueue: number;
}

export class Model extends ClosableClassifier implements ModelCaller {
  readonly #scheduler: Scheduler<ModelVersion>;
  readonly #changes: ChangeQueue;
  readonly #host: HandleHost<VersionPin<ModelVersion>>;
  readonly #observers: Set<ServeHooks>;
  readonly #maxQueue: number;
  readonly #listeners = new Set<() => void>();
  readonly origin: ModelOrigin;

  private constructor({ scheduler, observers, origin, timeoutMs, maxQueue }: ModelParts) {
    super();
    this.#maxQueue = maxQueue;
    this.#scheduler = scheduler;
    this.#observers = observers;
    this.origin = origin;
    this.#changes = new ChangeQueue({
      store: origin.store,
      current: () => ({
        ...this.#current,
        executor: profileOf(this.#current).executor === "portable" ? "portable" : "native",
      }),
      publish: (version, learned, commit) => this.#publish(version, learned, commit),
    });
    this.#host = new HandleHost({
      facts: () => factsOf(this.#current),
      timeoutMs,
      ask: (texts, options, pin) => this.#answer(texts, options, pin),
      pin: () => this.#scheduler.pin(),
      factsOf: ({ version }) => factsOf(version),
      learn: (examples, options) => this.#changes.learn(examples, options),
    });
  }

  /** @throws MODEL_INVALID, WEIGHTS_INVALID, TOKENIZER_INVALID, NUMERICS_UNTRUSTED, RUNTIME_MISSING */
  static async open(source: OpenedVersion, options: ModelOptions = {}): Promise<Model> {
    const { executor, threads, intraOpThreads, maxQueue, maxBatchRows, timeoutMs, verifySample, hooks } = parseOptions(
      modelSchema,
      options,
      "the options of loadModel",
    );
    const observers = new Set(hooks === undefined ? [] : [hooks]);
    const scheduler = createScheduler<ModelVersion>({
      replicas: threads ?? defaultThreads(),
      maxQueue,
      maxBatchRows,
      timeoutMs,
      verifySample,
      hooks: toAll(observers),
      openReplica: async (version) => {
        const { library } = version.info.tokenizer;
        const replica = await openModelReplica(version, executor, intraOpThreads);
        try {
          if (replica.profile.executor === "portable") requireOwnTokenizer(library);
        } catch (thrown) {
          await replica.close();
          throw thrown;
        }
        version.profile ??= library === undefined ? replica.profile : withTokenizer(replica.profile, library);
        return replica;
      },
    });
    const { store, alias } = source;
    const model = new Model({ scheduler, observers, origin: { store, alias }, timeoutMs, maxQueue });
    try {
      await model.publish(source);
    } catch (thrown) {
      await model.close();
      throw thrown;
    }
    return model;
  }

  override get info(): VersionInfo {
    return this.#current.info;
  }
  /** `lockstep.json` of the version: recipe, metrics, hashes; undefined for a plain folder. */
  get description(): LockstepFile | undefined {
    return this.#current.own;
  }
  /** Texts that wait. */
  get waiting(): number {
    return this.#scheduler.waiting;
  }
  /**
   * Names of the versions in memory: the current one, and older ones that somebody still holds or is being answered by.
   */
  get loaded(): readonly string[] {
    return this.#scheduler.loaded.map(({ name }) => name);
  }
  /** Handles that are attached, or may yet be. */
  get handles(): number {
    return this.#host.size;
  }

  protected override facts(): VersionFacts {
    return factsOf(this.#current);
  }

  protected override answer(texts: readonly string[], options: ClassifyOptions): Promise<ProfiledAnswers> {
    return this.#answer(texts, options);
  }

  /**
   * Logits of any number of texts, in order: [texts][classes]. For measuring; goes through the same queue and replicas
   * as questions do.
   */
  async logits(texts: readonly string[], signal?: AbortSignal): Promise<readonly Float32Array[]> {
    listOf(texts, "a list of texts");
    const rows = new Array<Float32Array>(texts.length);
    const chunk = Math.min(CHUNK, this.#maxQueue);
    const atOnce = Math.min(CHUNKS_AT_ONCE, Math.floor(this.#maxQueue / chunk));
    let next = 0;
    const take = async (): Promise<void> => {
      for (let from = next; from < texts.length; from = next) {
        next = from + chunk;
        const { logits } = await this.#ask(texts.slice(from, from + chunk), randomUUID(), undefined, signal);
        logits.forEach((row, index) => {
          rows[from + index] = row;
        });
      }
    };
    await Promise.all(Array.from({ length: atOnce }, take));
    return rows;
  }

  /**
   * Builds another version's replicas beside the present ones, then swaps. Questions under way keep the version they
   * began with. In turn with updates. A publication's `read` is called in its turn, and its `commit` between loading
   * and swapping; what fails leaves the model as it is.
   */
  async publish(source: LoadedVersion | Publication): Promise<void> {
    if (typeof source !== "object" || source === null || !("read" in source || source.files instanceof Map))
      throw new LockstepError("INPUT_INVALID", "expected a version as a store opens it: its name and its files");
    await this.#changes.publish("read" in source ? source : { read: () => Promise.resolve(source) });
  }

  /** Resolves when no change of the model is under way. */
  async settled(): Promise<void> {
    await this.#changes.settled();
  }

  /** From now on no version answers that is not in the store: `why`, in words, is what refusals say. */
  keepVersions(why: string): void {
    this.#changes.keep(why);
  }

  /** Calls `listener` as soon as another version answers; the result ends that. */
  onVersion(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Serving's counters and measures also go to `hooks`; the result ends that. */
  observe(hooks: ServeHooks): () => void {
    this.#observers.add(hooks);
    return () => this.#observers.delete(hooks);
  }

  async pin(): Promise<PinnedModel> {
    const pin = this.#scheduler.pin();
    return new HeldVersion(factsOf(pin.version), {
      classify: (texts, options) => this.#answer(texts, options, pin),
      release: async () => {
        pin.release();
      },
    });
  }

  async learn(examples: readonly Example[], options: LearnOptions = {}): Promise<LearnResult> {
    return await this.#changes.learn(examples, options);
  }

  handle(options: HandleOptions = {}): ModelHandle {
    return this.#host.open(options);
  }

  /** Answers what was asked, here and through handles, then ends the threads. */
  protected override async end(): Promise<void> {
    this.#host.beginClosing();
    await Promise.all([this.#scheduler.close(), this.#changes.close()]);
    this.#host.close();
  }

  async #publish({ name, files }: LoadedVersion, learned: boolean, commit: () => Promise<void>): Promise<void> {
    if (this.#scheduler.current?.name === name) return await commit(); // it answers already
    // An update changes weights only: the tokenizer, which may be large, is the one that is there.
    const info = learned ? this.#current.info : readVersionInfo(files);
    await this.#scheduler.publish({ name, files, info, own: readLockstepFile(files) }, commit);
    this.#host.announce();
    for (const listener of this.#listeners) listener();
  }

  async #answer(
    texts: readonly string[],
    options: ClassifyOptions,
    pin?: VersionPin<ModelVersion>,
  ): Promise<ProfiledAnswers> {
    const {
      topK,
      id = randomUUID(),
      timeoutMs,
      signal,
    } = parseOptions(classifySchema, options, "the options of classify");
    const cut: boolean[] = [];
    const { version, logits } = await this.#ask(texts, id, timeoutMs, signal, pin, cut);
    const answers = logits.map((row, index) => ({
      ...toAnswer(row, version.info.labels, version.info.calibration, topK),
      version: version.name,
      truncated: cut[index] === true,
    }));
    return { answers, profile: profileOf(version) };
  }

  get #current(): ModelVersion {
    const { current } = this.#scheduler;
    if (current === null) throw new LockstepError("SHUTTING_DOWN", "the model is closed");
    return current;
  }

  #ask(
    texts: readonly string[],
    id: string,
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
    pin?: VersionPin<ModelVersion>,
    cut: boolean[] = [],
  ) {
    if (texts.length === 0) throw new LockstepError("INPUT_INVALID", "there is no text to classify");
    texts.forEach((text, index) => {
      checkQuestion(text, texts.length === 1 ? "the text" : `text ${index}`);
    });
    return this.#scheduler.submit({
      id,
      rows: texts.length,
      encode: async ({ info: { tokenizer } }) => {
        const rows = await inSlices(texts, (text) => tokenizer.encode(text));
        cut.push(...rows.map(({ truncated }) => truncated));
        return rows;
      },
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(signal === undefined ? {} : { signal }),
      ...(pin === undefined ? {} : { pin }),
    });
  }
}

/** Hooks that call those of everybody who observes at the time. */
function toAll(observers: ReadonlySet<ServeHooks>): ServeHooks {
  return {
    count: (name, by) => {
      for (const hooks of observers) hooks.count?.(name, by);
    },
    observe: (name, value) => {
      for (const hooks of observers) hooks.observe?.(name, value);
    },
    onMismatch: (report) => {
      for (const hooks of observers) hooks.onMismatch?.(report);
    },
    onReplicaRetired: (report) => {
      for (const hooks of observers) hooks.onReplicaRetired?.(report);
    },
    onError: (error) => {
      for (const hooks of observers) hooks.onError?.(error);
    },
  };
}

/** @throws INPUT_INVALID, INPUT_TOO_LARGE */
export function checkQuestion(text: string, what: string): void {
  checkText(text, what);
  if (text.trim() === "") throw new LockstepError("INPUT_INVALID", `${what} is blank`, { what });
}

function factsOf(version: ModelVersion): VersionFacts {
  const { tokenizer: _, ...info } = version.info;
  return { version: version.name, profile: profileOf(version), info };
}

function profileOf({ profile }: ModelVersion): Profile {
  if (profile === undefined) throw new LockstepError("INTERNAL", "a published version has replicas");
  return profile;
}

/**
 * On a machine without the runtime that the version was made with, and where nobody insists on it, the other one
 * answers: another profile, which every answer and receipt names.
 */
export async function openModelReplica(
  version: { readonly files: LoadedVersion["files"]; readonly own: LockstepFile | undefined },
  asked?: ServingExecutor,
  intraOpThreads = 1,
): Promise<ThreadReplica> {
  const made = executorOf(version.own);
  const open = (executor: ServingExecutor): Promise<ThreadReplica> =>
    openThreadReplica({ files: version.files, executor, intraOpThreads, name: "replica" });
  try {
    return await open(asked ?? made);
  } catch (error) {
    if (asked !== undefined || !isLockstepError(error) || error.code !== "RUNTIME_MISSING") throw error;
    const other = made === "native" ? "portable" : "native";
    const replica = await open(other).catch(() => {
      throw error;
    });
    process.emitWarning(`the ${other} runtime answers in place of ${made}: ${error.message}`, {
      code: `LOCKSTEP_${other.toUpperCase()}`,
    });
    return replica;
  }
}

/** A version is judged and served with the arithmetic it was made with, unless told otherwise. */
function executorOf(own: LockstepFile | undefined): ServingExecutor {
  const recipe = own?.["recipe"];
  return typeof recipe === "object" && recipe !== null && "executor" in recipe && recipe.executor === "portable"
    ? "portable"
    : "native";
}
