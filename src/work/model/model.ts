/**
 * A model: one published version at a time, on worker threads, callable by any number of callers at once. The calling
 * thread never computes: it tokenizes, queues and reads logits. Publishing another version swaps it in between two
 * requests. Long, for a change of version touches all of it: what is loaded, who holds it, and who is told.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { isLockstepError, LockstepError, parseOptions } from "../../base/index.ts";
import { requireOwnTokenizer } from "../../language/text/index.ts";
import { withTokenizer, type Profile, type ServingExecutor } from "../../numeric/runtime/index.ts";
import { readLockstepFile, readVersionInfo, type LockstepFile, type VersionInfo } from "../infer/index.ts";
import {
  createScheduler,
  openThreadReplica,
  type Scheduler,
  type ThreadReplica,
  type ServeHooks,
  type VersionPin,
} from "../serve/index.ts";
import type { NamedFiles, Store } from "../store/index.ts";
import {
  checkQuestions,
  requireLearning,
  requireTask,
  rowsOf,
  TASKS,
  type EncodedQuestion,
  type Question,
  type Task,
  type TaskName,
  type TypesOf,
} from "../tasks/index.ts";
import type {
  Answers,
  AskOptions,
  Example,
  HandleOptions,
  LearnOptions,
  LearnResult,
  ModelCaller,
  ModelHandle,
  PinnedModel,
  VersionFacts,
} from "./contract.ts";
import { ClosableAskable, listOf } from "./askable.ts";
import { parseAskOptions } from "./contract.ts";
import { HandleHost } from "./handle-host.ts";
import { ChangeQueue, type Publication } from "./change-queue.ts";
import { HeldVersion } from "./held-version.ts";
import { defaultThreads, threadsSchema } from "./options.ts";
import { inPortions } from "./portions.ts";

export const modelSchema = z.strictObject({
  /**
   * An alias, a version's name, or at least four characters of one. @default the alias "champion", or the only version
   */
  version: z.string().min(1).optional(),
  /** @default the one that the version was made with */
  executor: z.enum(["native", "portable"]).optional(),
  /** Replicas, each on a thread of its own; packed weights are shared where the executor can. @default all cores */
  threads: threadsSchema.optional(),
  /**
   * Threads inside one operator of a replica, for few and long texts on idle cores; the bits are the same. The portable
   * executor has one. 1..256. @default 1
   */
  intraOpThreads: z.int().min(1).max(256).default(1),
  /** Texts that may wait; more are refused with OVERLOADED. @default 1024 */
  maxQueue: z.int().min(1).max(1_000_000).default(1024),
  /** Texts a batch at most. Batch mates never change an answer. @default 32 */
  maxBatchRows: z.int().min(1).max(4096).default(32),
  /** Milliseconds from asking to answer. @default 30000 */
  timeoutMs: z.int().min(1).max(3_600_000).default(30_000),
  /** Share of texts computed a second time on another replica and compared bit for bit, 0 to 1. @default 0 */
  verifySample: z.number().min(0).max(1).default(0),
  hooks: z.custom<ServeHooks>().optional(),
});

export type ModelOptions = Readonly<z.input<typeof modelSchema>>;

/** Of a version in memory. */
interface ModelVersion {
  readonly name: string;
  readonly files: NamedFiles["files"];
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
export interface OpenedVersion extends NamedFiles, ModelOrigin {}

interface ModelParts {
  readonly scheduler: Scheduler<ModelVersion>;
  readonly observers: Set<ServeHooks>;
  readonly origin: ModelOrigin;
  readonly timeoutMs: number;
  readonly maxQueue: number;
}

export class Model extends ClosableAskable implements ModelCaller {
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
      ask: (task, questions, options, pin) => this.#answer(task, questions, options, pin),
      pin: () => this.#scheduler.pin(),
      factsOf: ({ version }) => factsOf(version),
      learn: (examples, options) => this.learn(examples, options),
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

  protected override answer<T extends TaskName>(
    task: T,
    questions: readonly Question<T>[],
    options: AskOptions<T>,
  ): Promise<Answers<T>> {
    return this.#answer(task, questions, options);
  }

  /** Logits of any number of texts, in order: [texts][classes]. For measuring. */
  async logits(texts: readonly string[], signal?: AbortSignal): Promise<readonly Float32Array[]> {
    const asked = await this.outputs("classify", listOf(texts, "a list of texts"), signal);
    return asked.map(({ outputs }) => outputs[0]!);
  }

  /**
   * What the version's program gives for any number of questions, in order, and what their encoding found out. For
   * measuring; goes through the same queue and replicas as questions do.
   */
  async outputs<T extends TaskName>(
    task: T,
    questions: readonly Question<T>[],
    signal?: AbortSignal,
  ): Promise<readonly Computed<T>[]> {
    const all = new Array<Computed<T>>(questions.length);
    const chunk = Math.min(CHUNK, this.#maxQueue);
    const atOnce = Math.min(CHUNKS_AT_ONCE, Math.floor(this.#maxQueue / chunk));
    let next = 0;
    const take = async (): Promise<void> => {
      for (let from = next; from < questions.length; from = next) {
        next = from + chunk;
        const part = questions.slice(from, from + chunk);
        const { computed } = await this.#ask(task, part, { id: randomUUID(), signal });
        computed.forEach((one, index) => {
          all[from + index] = one;
        });
      }
    };
    await Promise.all(Array.from({ length: atOnce }, take));
    return all;
  }

  /**
   * Builds another version's replicas beside the present ones, then swaps. Questions under way keep the version they
   * began with. In turn with updates. A publication's `read` is called in its turn, and its `commit` between loading
   * and swapping; what fails leaves the model as it is.
   */
  async publish(source: NamedFiles | Publication): Promise<void> {
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
      ask: (task, questions, options) => this.#answer(task, questions, options, pin),
      release: async () => {
        pin.release();
      },
    });
  }

  async learn(examples: readonly Example[], options: LearnOptions = {}): Promise<LearnResult> {
    requireLearning(this.info);
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

  async #publish({ name, files }: NamedFiles, learned: boolean, commit: () => Promise<void>): Promise<void> {
    if (this.#scheduler.current?.name === name) return await commit(); // it answers already
    // An update changes weights only: the tokenizer, which may be large, is the one that is there.
    const info = learned ? this.#current.info : readVersionInfo(files);
    await this.#scheduler.publish({ name, files, info, own: readLockstepFile(files) }, commit);
    this.#host.announce();
    for (const listener of this.#listeners) listener();
  }

  async #answer<T extends TaskName>(
    task: T,
    questions: readonly Question<T>[],
    options: AskOptions<T>,
    pin?: VersionPin<ModelVersion>,
  ): Promise<Answers<T>> {
    const { id = randomUUID(), timeoutMs, signal, own } = parseAskOptions(task, options);
    const { version, computed } = await this.#ask(task, questions, { id, timeoutMs, signal, pin });
    const entry: Task<T, TypesOf[T]> = TASKS[task];
    const answers = computed.map(({ outputs, encoded: { notes, truncated } }) => ({
      ...entry.answer(version.info, outputs, own, notes),
      version: version.name,
      truncated,
    }));
    return { answers, profile: profileOf(version) };
  }

  get #current(): ModelVersion {
    const { current } = this.#scheduler;
    if (current === null) throw new LockstepError("SHUTTING_DOWN", "the model is closed");
    return current;
  }

  async #ask<T extends TaskName>(
    task: T,
    questions: readonly Question<T>[],
    { id, timeoutMs, signal, pin }: Asking,
  ): Promise<{ readonly version: ModelVersion; readonly computed: readonly Computed<T>[] }> {
    checkQuestions(task, questions);
    const entry: Task<T, TypesOf[T]> = TASKS[task];
    let encoded: readonly EncodedQuestion<TypesOf[T]["notes"]>[] = [];
    const { version, outputs } = await this.#scheduler.submit({
      id,
      rows: rowsOf(task, questions),
      grows: entry.grows ?? false,
      encode: async ({ info }) => {
        requireTask(task, info);
        encoded = await inPortions(questions, (question) => entry.encode(info, question), entry.length);
        return encoded.flatMap(({ rows }) => rows);
      },
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(signal === undefined ? {} : { signal }),
      ...(pin === undefined ? {} : { pin }),
    });
    let from = 0;
    const computed = encoded.map((one) => ({ encoded: one, outputs: outputs.slice(from, (from += one.rows.length)) }));
    return { version, computed };
  }
}

interface Asking {
  readonly id: string;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly pin?: VersionPin<ModelVersion> | undefined;
}

/** A question under one version: its rows, and what the program gave for each. */
export interface Computed<T extends TaskName> {
  readonly encoded: EncodedQuestion<TypesOf[T]["notes"]>;
  readonly outputs: readonly Float32Array[];
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
  version: { readonly files: NamedFiles["files"]; readonly own: LockstepFile | undefined },
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
