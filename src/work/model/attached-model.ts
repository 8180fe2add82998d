/**
 * A model in another thread: `attachModel(handle)` gives what `loadModel` gives, and the thread that owns the model
 * does the work. States:
 *   open ── the model is closing, or `close` is called ──▶ closing (answers come, nothing more is asked) ──▶ closed
 *   open or closing ── the owner's thread ends ──▶ closed (what is unanswered fails with OWNER_DIED)
 * The port keeps the thread alive only while something is unanswered. Long, since both forms of asking, blocking and
 * not, go through these states.
 */
import { MessageChannel, receiveMessageOnPort, threadId, type MessagePort } from "node:worker_threads";
import { decodeError, LockstepError, parseOptions } from "../../base/index.ts";
import { EventCount } from "../../threads/sync/index.ts";
import { checkQuestions, rowsOf, taskNamed, type AnswerOf, type Question, type TaskName } from "../tasks/index.ts";
import type {
  Answers,
  AskOptions,
  Classification,
  Example,
  HandleOptions,
  LearnOptions,
  LearnResult,
  ModelCaller,
  ModelHandle,
  PinnedModel,
  SyncOptions,
  VersionFacts,
} from "./contract.ts";
import { ClosableAskable, listOf, oneOrMany } from "./askable.ts";
import { examplesSchema, handleSchema, learnSchema, parseAskOptions } from "./contract.ts";
import { requireRoom, type FromOwner, type ToOwner } from "./messages.ts";
import { HeldVersion } from "./held-version.ts";

/** A number is added to each when it is sent. */
type Unnumbered<T> = T extends { readonly id: number } ? Omit<T, "id"> : never;
type Request = Unnumbered<ToOwner>;
type Reply = Extract<FromOwner, { readonly kind: "answers" | "learned" | "pinned" | "done" }>;

interface AskMessage extends Unnumbered<Extract<ToOwner, { readonly kind: "ask" }>> {
  readonly options: { readonly timeoutMs: number } & Record<string, unknown>;
}

interface Waiting {
  readonly weight: number;
  readonly settle: (reply: Reply | LockstepError) => void;
}

interface SendOptions {
  /** Rows and examples in it. @default 0 */
  readonly weight?: number;
  /** @default none */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether a cancelled request still waits for the owner to say what has become of it. @default false */
  readonly patient?: boolean;
}

export class AttachedModel extends ClosableAskable implements ModelCaller {
  readonly #port: MessagePort;
  readonly #handle: ModelHandle;
  readonly #waiting = new Map<number, Waiting>();
  #facts: VersionFacts;
  #next = 0;
  #inFlight = 0;
  /** Why nothing more is asked. */
  #over: LockstepError | undefined;
  readonly #closed = Promise.withResolvers<void>();

  constructor(handle: ModelHandle) {
    super();
    this.#handle = handle;
    this.#port = handle.port;
    this.#facts = handle.facts;
    this.#port.on("message", (message: FromOwner) => {
      this.#receive(message);
    });
    this.#port.on("close", () => {
      this.#onClose();
    });
    this.#port.unref();
  }

  /** As far as this thread has heard: an answer's own `version` says which one it comes from. */
  protected override facts(): VersionFacts {
    return this.#facts;
  }

  protected override async answer<T extends TaskName>(
    task: T,
    questions: readonly Question<T>[],
    options: AskOptions<T>,
    pin?: number,
  ): Promise<Answers<T>> {
    const message = this.#message(task, questions, options, false);
    const { answers, profile } = (await this.#ask(
      "answers",
      { ...message, ...(pin === undefined ? {} : { pin }) },
      { weight: rowsOf(task, questions), timeoutMs: message.options.timeoutMs, signal: options.signal },
    )) as Answers<T>;
    return { answers, profile };
  }

  /**
   * As `ask`, blocking this thread until the answers are there: for workers that are synchronous. No signal can fire
   * meanwhile; the time limit does, and the end of the owner's thread (OWNER_DIED).
   * @throws as `ask`; DEADLOCK in the thread that owns the model, which would wait for itself
   */
  askSync<T extends TaskName>(
    task: T,
    questions: readonly Question<T>[],
    options: SyncOptions<T> = {} as SyncOptions<T>,
  ): Answers<T> {
    taskNamed(task);
    if (this.#handle.owner === threadId)
      throw new LockstepError(
        "DEADLOCK",
        `${task}Sync would block the very thread that answers; await ${task} here, or ask from another thread`,
      );
    const message = this.#message(task, listOf(questions, "a list of questions"), options as AskOptions<T>, true);
    const { answers, profile } = this.#sendSync(
      message,
      rowsOf(task, questions),
      message.options.timeoutMs,
    ) as Answers<T>;
    return { answers, profile };
  }

  classifySync(text: string, options?: SyncOptions<"classify">): Classification;
  classifySync(texts: readonly string[], options?: SyncOptions<"classify">): readonly Classification[];
  /** As `classify`, blocking this thread. @throws as `askSync` */
  classifySync(
    texts: string | readonly string[],
    options?: SyncOptions<"classify">,
  ): Classification | readonly Classification[] {
    return this.#oneOrManySync("classify", texts, options);
  }

  #oneOrManySync<T extends TaskName>(
    task: T,
    texts: Question<T> | readonly Question<T>[],
    options?: SyncOptions<T>,
  ): AnswerOf<T> | readonly AnswerOf<T>[] {
    const { answers } = this.askSync(task, oneOrMany(texts), options);
    return Array.isArray(texts) ? answers : answers[0]!;
  }

  async pin(): Promise<PinnedModel> {
    const { pin, facts } = await this.#ask("pinned", { kind: "pin" });
    return new HeldVersion(facts, {
      ask: (task, questions, options) => this.answer(task, questions, options, pin),
      release: async () => {
        if (this.#over === undefined) await this.#ask("done", { kind: "release", pin });
      },
    });
  }

  async learn(examples: readonly Example[], options: LearnOptions = {}): Promise<LearnResult> {
    const { signal, ...rest } = parseOptions(learnSchema, options, "the options of learn");
    const checked = parseOptions(examplesSchema, examples, "the examples", "INPUT_INVALID");
    const { result } = await this.#ask(
      "learned",
      { kind: "learn", examples: checked, options: rest },
      { weight: checked.length, signal, patient: true },
    );
    return result;
  }

  /** For one more thread; the owner is told, and this thread has no part in what that one asks. */
  handle(options: HandleOptions = {}): ModelHandle {
    const { maxInFlight } = parseOptions(
      handleSchema,
      { maxInFlight: this.#handle.maxInFlight, ...options },
      "the options of handle",
    );
    if (this.#over !== undefined) throw this.#over;
    if (maxInFlight > this.#handle.maxInFlight)
      throw new LockstepError(
        "OPTION_INVALID",
        `a handle made from another has at most its maxInFlight, ${this.#handle.maxInFlight}, not ${maxInFlight}`,
        { maxInFlight },
      );
    const { port1, port2 } = new MessageChannel();
    const bell = EventCount.create().handle;
    this.#port.postMessage({ kind: "derive", port: port1, bell, maxInFlight } satisfies ToOwner, [port1]);
    return { ...this.#handle, port: port2, bell, maxInFlight, facts: this.#facts };
  }

  /** Waits for the answers that are due, then lets go of everything at the owner. */
  protected override async end(): Promise<void> {
    const open = this.#over === undefined;
    this.#over ??= new LockstepError("SHUTTING_DOWN", "this attached model is closed; attach another handle");
    while (this.#waiting.size > 0)
      await Promise.race([
        this.#closed.promise,
        new Promise<void>((resolve) => {
          this.#onIdle = resolve;
        }),
      ]);
    // the owner is gone: so is what it held
    if (open) await this.#send("done", { kind: "detach" }, {}).catch(() => undefined);
    this.#port.close();
    await this.#closed.promise;
  }

  #onIdle: () => void = () => undefined;

  /** What is wrong with the options is said here, before anything is posted. */
  #message<T extends TaskName>(
    task: T,
    questions: readonly Question<T>[],
    options: AskOptions<T>,
    sync: boolean,
  ): AskMessage {
    checkQuestions(task, questions);
    const { id, timeoutMs = this.#handle.timeoutMs, own } = parseAskOptions(task, options, { sync });
    const named = id === undefined ? {} : { id };
    return { kind: "ask", task, questions: [...questions], options: { ...own, ...named, timeoutMs } };
  }

  #ask<Kind extends Reply["kind"]>(
    kind: Kind,
    message: Request,
    options: SendOptions = {},
  ): Promise<Extract<Reply, { readonly kind: Kind }>> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    return this.#send(kind, message, options);
  }

  #send<Kind extends Reply["kind"]>(
    kind: Kind,
    message: Request,
    { weight = 0, timeoutMs, signal, patient = false }: SendOptions,
  ): Promise<Extract<Reply, { readonly kind: Kind }>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) throw cancelled(signal);
      const id = this.#post(message, weight, (reply) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        if (reply instanceof Error) reject(reply);
        else if (reply.kind === kind) resolve(reply as Extract<Reply, { readonly kind: Kind }>);
        else reject(new LockstepError("INTERNAL", `the model answered "${message.kind}" with "${reply.kind}"`));
      });
      const giveUp = (error: LockstepError): void => {
        this.#port.postMessage({ kind: "cancel", id } satisfies ToOwner);
        if (!patient) this.#settle(id, error);
      };
      const onAbort = (): void => {
        giveUp(cancelled(signal));
      };
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(
              () => {
                giveUp(late(timeoutMs));
              },
              Math.min(timeoutMs, MAX_TIMEOUT_MS),
            );
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  #sendSync(message: Request, weight: number, timeoutMs: number): Extract<Reply, { readonly kind: "answers" }> {
    if (this.#over !== undefined) throw this.#over;
    const bell = EventCount.attach(this.#handle.bell);
    const deadline = performance.now() + timeoutMs;
    let settled: Reply | LockstepError | undefined;
    const id = this.#post(message, weight, (reply) => {
      settled = reply;
    });
    while (settled === undefined) {
      const rung = bell.count; // before looking: a message that comes after it changes the bell again
      for (
        let received = receiveMessageOnPort(this.#port);
        received !== undefined;
        received = receiveMessageOnPort(this.#port)
      )
        this.#receive(received.message as FromOwner);
      if (settled !== undefined) break;
      const left = deadline - performance.now();
      if (left <= 0) {
        this.#port.postMessage({ kind: "cancel", id } satisfies ToOwner);
        this.#settle(id, late(timeoutMs));
      } else if (!bell.wait(rung, { timeoutMs: Math.min(left, LIVENESS_MS) }) && isGone(this.#port)) this.#onClose();
    }
    const outcome: Reply | LockstepError = settled;
    if (outcome instanceof Error) throw outcome;
    if (outcome.kind !== "answers")
      throw new LockstepError("INTERNAL", `the model answered "${message.kind}" with "${outcome.kind}"`);
    return outcome;
  }

  #post(message: Request, weight: number, settle: Waiting["settle"]): number {
    requireRoom(this.#inFlight, weight, this.#handle.maxInFlight);
    const id = this.#next++;
    this.#transmit({ ...message, id });
    this.#inFlight += weight;
    if (this.#waiting.size === 0) this.#port.ref();
    this.#waiting.set(id, { weight, settle });
    return id;
  }

  #transmit(message: object): void {
    try {
      this.#port.postMessage(message);
    } catch (thrown) {
      throw new LockstepError(
        "INPUT_INVALID",
        `this cannot be posted to the model's thread: ${String(thrown)}; give texts and options as documented`,
        {},
        { cause: thrown },
      );
    }
  }

  /** Once; what comes for it later is dropped. */
  #settle(id: number, reply: Reply | LockstepError): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.#inFlight -= waiting.weight;
    waiting.settle(reply);
    if (this.#waiting.size > 0) return;
    this.#port.unref();
    this.#onIdle();
  }

  #receive(message: FromOwner): void {
    switch (message.kind) {
      case "facts":
        this.#facts = message.facts;
        return;
      case "closing":
        this.#over ??= new LockstepError("SHUTTING_DOWN", "the model is closing and takes no requests");
        return;
      case "failure": {
        const error = decodeError(message.error);
        if (message.id === undefined) this.#over ??= error;
        else this.#settle(message.id, error);
        return;
      }
      case "answers":
      case "learned":
      case "pinned":
      case "done":
        return this.#settle(message.id, message);
    }
  }

  #onClose(): void {
    this.#over ??= new LockstepError(
      "OWNER_DIED",
      "the thread that owned the model has ended without closing it; there is nobody to answer",
      { owner: this.#handle.owner },
    );
    for (const id of [...this.#waiting.keys()]) this.#settle(id, this.#over);
    this.#closed.resolve();
  }
}

/**
 * How long a synchronous question sleeps before it looks whether the owner still lives, in milliseconds: a thread that
 * ends rings no bell, and the port says that it was closed only when it is asked.
 */
const LIVENESS_MS = 50;

/** What timers of the platform can count: 24.8 days. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

function late(timeoutMs: number): LockstepError {
  return new LockstepError("TIMEOUT", `the request was not answered within ${timeoutMs} ms`, { timeoutMs });
}

function cancelled(signal: AbortSignal | undefined): LockstepError {
  return new LockstepError("CANCELLED", "the request was cancelled by its caller", {}, { cause: signal?.reason });
}

/**
 * The model behind a handle, in the thread that it was posted to. Synchronous: nothing is asked yet.
 * @throws OPTION_INVALID: this is no handle, or it was attached here before, or posted on to another thread
 */
export function attachModel(handle: ModelHandle): AttachedModel {
  requireHandle(handle);
  if (handle.port.listenerCount("message") > 0)
    throw new LockstepError(
      "OPTION_INVALID",
      "this handle is attached already; a handle is good for one attachment, and `model.handle()` of the model " +
        "or of what is attached makes another",
    );
  if (isGone(handle.port))
    throw new LockstepError(
      "OPTION_INVALID",
      "this handle was posted to another thread, which has it now; make one for this thread with `model.handle()`",
    );
  return new AttachedModel(handle);
}

function requireHandle(handle: ModelHandle | null | undefined): void {
  if (handle?.kind === "lockstep.model" && typeof (handle.port as MessagePort | undefined)?.postMessage === "function")
    return;
  throw new LockstepError(
    "OPTION_INVALID",
    "attachModel takes what model.handle() gave, posted whole and with its port: `worker.postMessage(handle, " +
      "[handle.port])`",
  );
}

/**
 * Whether the port was transferred: posting it twice in one list is always refused, for being gone already or for being
 * there twice, before anything moves.
 */
function isGone(port: MessagePort): boolean {
  const { port1 } = new MessageChannel();
  try {
    port1.postMessage(null, [port, port]);
    return false;
  } catch (thrown) {
    return thrown instanceof Error && thrown.message.includes("detached");
  } finally {
    port1.close();
  }
}
