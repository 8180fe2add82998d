/**
 * Continuous batching: `schedule → run → update`, a step at a time, for as long as there is work. The engine keeps of
 * each sequence its state and nothing that could not be computed again; where a backend dies, another one goes on from
 * the states. It computes nothing itself and belongs on any thread.
 */
import { decodeError, isLockstepError, LockstepError, toLockstepError, type Clock } from "../../base/index.ts";
import type { GeneratedToken } from "./generation.ts";
import type { StepOrder, StepOutcome } from "./runner.ts";
import { roomOf, schedule, type Candidate, type StepLimits } from "./schedule.ts";
import type { GenerationState } from "./state.ts";

/** What computes: a thread of its own, or a `Runner` here. */
export interface Backend {
  /** @throws WORKER_DIED where it is gone, with all that it held */
  step(order: StepOrder): Promise<StepOutcome[]>;
  close(): Promise<void>;
}

/** Who reads the tokens. */
export interface Reader {
  /** `state`: with this token in it. */
  token(token: GeneratedToken, state: GenerationState): void;
  /** Nothing comes after it. */
  failed(error: LockstepError): void;
  /** So far behind that the sequence should wait. */
  readonly behind: boolean;
}

export interface EngineOptions extends StepLimits {
  /** The first; `open` makes those that take its place. */
  readonly backend: Backend;
  /** @throws whatever loading throws; then everything that waits fails with it */
  readonly open: () => Promise<Backend>;
  /** Sequences that wait or run; more are refused. */
  readonly maxSequences: number;
  readonly clock: Clock;
  /** Told after every step, for measuring. */
  readonly onStep?: ((step: StepReport) => void) | undefined;
}

export interface StepReport {
  /** Sequences that were computed in it, and tokens of each. */
  readonly work: readonly { readonly id: number; readonly tokens: number }[];
  readonly evicted: number;
  /** Room that caches take after it, in tokens. */
  readonly cacheTokens: number;
}

export interface SubmitOptions {
  readonly key: string;
  readonly priority: number;
  readonly timeoutMs: number;
  /** It begins when that one has its first token, so that it finds the prompt computed. */
  readonly after?: Submission | undefined;
}

export interface Submission {
  readonly id: number;
  readonly state: GenerationState;
  /** Tokens of the prompt that were found computed when it began. */
  readonly reused: number;
  /** Ends it; nothing more is read. Its memory is free before the next step. Idempotent. */
  cancel(): void;
}

/** Steps that may end with their backend before a sequence in them is given up. */
const MOST_LOSSES = 3;

/** Timers take no more milliseconds. */
const LONGEST_SLEEP = 0x7fff_ffff;

interface Task extends Submission, SubmitOptions {
  readonly reader: Reader;
  readonly deadline: number;
  state: GenerationState;
  reused: number;
  held: number;
  /** Losses since its last token. */
  losses: number;
}

export class Engine {
  readonly #options: EngineOptions;
  readonly #tasks = new Map<number, Task>();
  /** Given up, and not yet said to the backend. */
  #dropped: number[] = [];
  readonly #served = new Map<string, number>();
  #backend: Backend | null;
  #nextId = 0;
  #wake: () => void = () => undefined;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#backend = options.backend;
  }

  /** Sequences that wait or run. */
  get size(): number {
    return this.#tasks.size;
  }

  /** @throws OVERLOADED, INPUT_TOO_LARGE for a sequence that the caches could never hold, SHUTTING_DOWN */
  submit(state: GenerationState, reader: Reader, options: SubmitOptions): Submission {
    const { maxSequences, cacheTokens, clock } = this.#options;
    if (this.#closed) throw shuttingDown();
    if (this.#tasks.size >= maxSequences)
      throw new LockstepError("OVERLOADED", `${this.#tasks.size} sequences wait already; try again later`, {
        sequences: this.#tasks.size,
      });
    const most = roomOf(state.prompt.length + state.settings.maxTokens);
    if (most > cacheTokens)
      throw new LockstepError(
        "INPUT_TOO_LARGE",
        `prompt and answer may take room for ${most} tokens; all caches together have ${cacheTokens}: ask for fewer ` +
          "tokens, or open the model with a larger cacheTokens",
        { tokens: most, cacheTokens },
      );
    const id = this.#nextId++;
    const task: Task = {
      ...options,
      id,
      state,
      reader,
      deadline: clock.elapsed() + options.timeoutMs,
      reused: 0,
      held: 0,
      losses: 0,
      cancel: () => this.#end(task, null),
    };
    this.#lift(task.key);
    this.#tasks.set(id, task);
    this.#running ??= this.#run();
    this.#wake();
    return task;
  }

  /**
   * Ends what is under way with SHUTTING_DOWN, after the step that runs: its state is there to go on with elsewhere.
   * Idempotent.
   */
  async close(): Promise<void> {
    this.#closed = true;
    for (const task of [...this.#tasks.values()]) this.#end(task, shuttingDown());
    this.#wake();
    await this.#running;
    await this.#backend?.close();
    this.#backend = null;
  }

  /** Something changed that the schedule depends on: a reader has caught up. */
  look(): void {
    this.#wake();
  }

  async #run(): Promise<void> {
    for (;;) {
      const plan = this.#schedule();
      const order = this.#order(plan.work);
      if (order.work.length > 0 || order.dropped.length > 0) await this.#step(order, plan.evicted.length);
      else if (this.#tasks.size === 0) break;
      else await this.#idle();
    }
    this.#running = null;
  }

  /** What is past its deadline ends here, what is evicted has no cache from here on. */
  #schedule(): ReturnType<typeof schedule> {
    const candidates = Array.from(this.#tasks.values(), (task) => this.#candidate(task));
    const plan = schedule(candidates, this.#options, this.#served, this.#options.clock.elapsed());
    for (const id of plan.expired) this.#end(this.#tasks.get(id)!, lateAt(this.#tasks.get(id)!));
    for (const id of plan.evicted) {
      this.#tasks.get(id)!.held = 0;
      this.#dropped.push(id);
    }
    return plan;
  }

  #candidate({ id, key, priority, deadline, held, state, reader, after }: Task): Candidate {
    const pending = state.prompt.length + state.tokens.length - held;
    const early = after !== undefined && after.state.tokens.length === 0 && this.#tasks.has(after.id);
    return { id, key, priority, deadline, held, pending, blocked: early || reader.behind };
  }

  #order(work: ReturnType<typeof schedule>["work"]): StepOrder {
    const dropped = this.#backend === null ? [] : this.#dropped;
    this.#dropped = [];
    return {
      dropped,
      work: work.map(({ id, tokens }) => {
        const { held, state } = this.#tasks.get(id)!;
        return { id, tokens, state: held === 0 ? state : null };
      }),
    };
  }

  async #step(order: StepOrder, evicted: number): Promise<void> {
    try {
      this.#backend ??= await this.#options.open();
      this.#update(await this.#inTime(this.#backend.step(order)));
      const work = order.work.map(({ id, tokens }) => ({ id, tokens }));
      this.#options.onStep?.({ work, evicted, cacheTokens: this.#room() });
    } catch (thrown) {
      await this.#lost(order, toLockstepError(thrown));
    }
  }

  #update(outcomes: readonly StepOutcome[]): void {
    for (const outcome of outcomes) {
      const task = this.#tasks.get(outcome.id);
      if (task === undefined) continue; // it was cancelled meanwhile
      if (outcome.kind === "failed") {
        this.#end(task, decodeError(outcome.error));
        continue;
      }
      const { held, reused, token, digest } = outcome;
      this.#served.set(task.key, (this.#served.get(task.key) ?? 0) + held - (task.held === 0 ? reused : task.held));
      if (task.state.tokens.length === 0 && task.held === 0) task.reused = reused;
      task.held = held;
      if (token === null) continue;
      task.losses = 0;
      const { tokens, given } = task.state;
      task.state = {
        ...task.state,
        tokens: [...tokens, token.id],
        given: given + token.text.length,
        digest,
        finish: token.finish,
      };
      if (token.finish !== null) this.#tasks.delete(task.id);
      task.reader.token(token, task.state);
    }
  }

  /** The step did not come back. What the backend held is computed again by another one. */
  async #lost({ work }: StepOrder, error: LockstepError): Promise<void> {
    const backend = this.#backend;
    this.#backend = null;
    this.#dropped = [];
    for (const task of this.#tasks.values()) task.held = 0;
    for (const { id } of work) {
      const task = this.#tasks.get(id);
      if (task !== undefined && (backend === null || ++task.losses >= MOST_LOSSES)) this.#end(task, error);
    }
    await backend?.close().catch(() => undefined); // it is gone already
  }

  /** What a step gives; whoever is past its deadline meanwhile is told, however long the step takes. */
  async #inTime(computing: Promise<StepOutcome[]>): Promise<StepOutcome[]> {
    let over = false;
    const settled = computing.then(
      () => void (over = true),
      () => void (over = true),
    );
    for (;;) {
      await this.#idle(settled);
      if (over) return await computing;
      const now = this.#options.clock.elapsed();
      for (const task of [...this.#tasks.values()]) if (task.deadline <= now) this.#end(task, lateAt(task));
    }
  }

  /** Until something has changed, or the first deadline has passed. */
  async #idle(event: Promise<void> | null = null): Promise<void> {
    const { clock } = this.#options;
    const changed = new Promise<void>((resolve) => (this.#wake = resolve));
    const first = [...this.#tasks.values()].reduce((least, { deadline }) => Math.min(least, deadline), Infinity);
    const over = new AbortController();
    const ms = Math.min(LONGEST_SLEEP, Math.max(0, first - clock.elapsed()));
    const late = clock.sleep(ms, over.signal).catch((thrown: unknown) => {
      if (!isLockstepError(thrown) || thrown.code !== "CANCELLED") throw thrown;
    });
    await Promise.race(event === null ? [changed, late] : [event, changed, late]);
    over.abort();
    await late;
  }

  /** Null: nobody is to be told. */
  #end(task: Task, error: LockstepError | null): void {
    if (!this.#tasks.delete(task.id)) return;
    if (task.held > 0 || this.#running !== null) this.#dropped.push(task.id);
    if (error !== null) task.reader.failed(error);
    this.#wake();
  }

  #room(): number {
    return [...this.#tasks.values()].reduce((sum, { held }) => sum + roomOf(held), 0);
  }

  /** A key that asked for nothing has not saved up: it begins where the least served of those that ask is. */
  #lift(key: string): void {
    const asking = new Set([...this.#tasks.values()].map((task) => task.key));
    if (asking.has(key)) return;
    for (const other of this.#served.keys()) if (other !== key && !asking.has(other)) this.#served.delete(other);
    const counts = [...asking].map((other) => this.#served.get(other) ?? 0);
    this.#served.set(key, asking.size === 0 ? 0 : Math.max(this.#served.get(key) ?? 0, Math.min(...counts)));
  }
}

function lateAt({ timeoutMs, state }: Task): LockstepError {
  return new LockstepError("TIMEOUT", `the answer was not there within ${timeoutMs} ms`, {
    timeoutMs,
    tokens: state.tokens.length,
  });
}

function shuttingDown(): LockstepError {
  return new LockstepError(
    "SHUTTING_DOWN",
    "the model is closing; the answer's state is there to go on with elsewhere",
  );
}
