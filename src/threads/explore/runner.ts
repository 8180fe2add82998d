/** The controller's side of the explored threads: starts them once, then has them run one schedule after another. */
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from "node:worker_threads";
import { decodeError, LockstepError, ownFile } from "../../base/index.ts";
import { awaitBaton, giveBaton } from "./baton.ts";
import {
  changeAt,
  CONTROLLER,
  createControl,
  EVENT_WORDS,
  H,
  listenerBase,
  MAX_EVENTS,
  MAX_LISTENERS,
  MAX_MESSAGES,
  MAX_THREADS,
  messageBase,
  OUTCOME,
  prefixAt,
  STATUS,
  STRATEGY,
  T,
  THREAD_WORDS,
  threadBase,
  type Control,
} from "./control.ts";
import { MarkedChannel } from "./ports.ts";
import type { Program } from "./program.ts";
import { copyState, requirePostable, requireSynchronous, Snapshot, type SharedPart } from "./state.ts";
import { MOST_CUT_SITES } from "./runtime.ts";
import { stuckThreads, type Stuck } from "./stuck.ts";
import { Loaded } from "./loaded.ts";
import type { ThreadReady, ThreadReport, ThreadSetup } from "./thread-messages.ts";
import { random as draw } from "./scheduler.ts";
import { Trace } from "./trace.ts";
import { Waiters } from "./waiters.ts";

/** One schedule to be run. */
export interface Plan {
  /** Choices to be made first: a thread each, with KILL_FLAG for its death. */
  readonly prefix: readonly number[];
  /** Threads whose next operation has been explored from here already; holds from step `sleepAt` on. */
  readonly sleep?: number;
  readonly sleepAt?: number;
  /** After the prefix; `seed` decides everything. @default straight on */
  readonly random?: {
    readonly seed: number;
    readonly kind: "priorities" | "walk";
    readonly length: number;
    readonly changes: number;
    readonly kill: boolean;
  };
  /** Rounds that a loop which may count does the same before it is put off. @default the program's */
  readonly spins?: number;
  /** Note the call site of each step: slow. @default false */
  readonly sites?: boolean;
}

export interface Run {
  readonly outcome: number;
  readonly trace: Trace;
  readonly reports: readonly ThreadReport[];
  /** Threads that slept, and where, when nobody could go on. */
  readonly stuck: readonly Stuck[];
  readonly deaths: readonly number[];
  /** Threads whose body had returned when the schedule was over. */
  readonly ended: readonly number[];
  /** Where each thread stands that could have gone on, by thread; null for the others. */
  readonly pending: readonly (Pending | null)[];
}

/** An operation that a thread has come to. */
export interface Pending {
  readonly kind: number;
  readonly buffer: number;
  readonly offset: number;
}

/**
 * Functions that forget what modules keep from one `setup` to the next in this thread; filled as modules load
 * (`forgetBetweenSchedules` of base).
 */
export const setupResets: (() => void)[] = [];

/** The platform's, also when explored code is given another. */
const Channel = MessageChannel;

/**
 * A thread that does not come to its next operation within this time computes, or sleeps where the explorer cannot see
 * it.
 */
const STALLED_MS = 30_000;

/** Of a loop that may count: one that tries as often as this and then gives up is explored with all its tries. */
export const DEFAULT_SPINS = 8;

export interface RunnerLimits {
  readonly maxSteps: number;
  readonly kills: number;
  /** @default 8 */
  readonly spins?: number;
  /** The URL of the folder of whose files branches are noted. @default null: none */
  readonly root?: string | null;
}

export class Runner {
  readonly program: Program;
  readonly name: string;
  readonly state: unknown;
  readonly parts: readonly SharedPart[];
  readonly threads: number;
  readonly #control: Control;
  readonly #snapshot: Snapshot;
  readonly #workers: Worker[] = [];
  readonly #ports: MessagePort[] = [];
  readonly #maxSteps: number;
  readonly #spins: number;
  /** By thread, in the order of the bits of `T.CUTS`. */
  readonly #cutSites: string[][] = [];
  #cuts = new Set<string>();
  /** What the threads load, as far as the controller wants to know. */
  readonly loaded = new Loaded();
  readonly #root: string | null;
  readonly #supervised: boolean;
  /** For the traces of this schedule and of the last: a trace is good until the next schedule but one. */
  readonly #buffers = [new Int32Array(MAX_EVENTS * EVENT_WORDS), new Int32Array(MAX_EVENTS * EVENT_WORDS)];

  private constructor(program: Program, name: string, { maxSteps, kills, spins, root = null }: RunnerLimits) {
    this.program = program;
    this.name = name;
    MarkedChannel.restart();
    for (const reset of setupResets) reset();
    this.state = setUp(program, name);
    requirePostable(this.state, name);
    this.#snapshot = new Snapshot(this.state);
    this.parts = this.#snapshot.parts;
    this.threads = program.threads.length;
    this.#control = createControl();
    this.#maxSteps = maxSteps;
    this.#root = root;
    this.#spins = spins ?? DEFAULT_SPINS;
    this.#supervised = kills > 0 && program.supervise !== undefined;
  }

  /** Makes the state and starts the threads. */
  static async start(program: Program, name: string, limits: RunnerLimits): Promise<Runner> {
    const runner = new Runner(program, name, limits);
    try {
      await Promise.all(
        Array.from({ length: runner.threads + (runner.#supervised ? 1 : 0) }, (_, index) => runner.#spawn(index)),
      );
    } catch (thrown) {
      await runner.close();
      throw thrown;
    }
    return runner;
  }

  async #spawn(index: number): Promise<void> {
    const { port1, port2 } = new Channel();
    const data: ThreadSetup & { port: MessagePort } = {
      control: this.#control,
      index,
      url: this.program.url,
      program: this.name,
      state: this.state,
      root: this.#root,
      supervisor: index === this.threads,
      port: port2,
    };
    const worker = new Worker(new URL(ownFile(() => import.meta.resolve("#entry/threads/explore/thread-worker"))), {
      name: `explored-${index}`,
      workerData: data,
      transferList: [port2],
    });
    this.#workers.push(worker);
    this.#ports[index] = port1;
    await new Promise<void>((resolve, reject) => {
      worker.once("message", (message: ThreadReady) => {
        if (message.kind === "failed") return reject(decodeError(message.error));
        this.loaded.add(message);
        resolve();
      });
      worker.once("error", reject);
      worker.once("exit", (code) =>
        reject(
          new LockstepError(
            "WORKER_DIED",
            `the explored thread ${index} of "${this.name}" ended with code ${code} before it had begun`,
          ),
        ),
      );
    });
  }

  run(plan: Plan): Run {
    const control = this.#control;
    this.#snapshot.restore();
    this.#prepare(plan);
    giveBaton(control, 0);
    this.#await();
    const outcome = control[H.OUTCOME]!;
    const stuck = outcome === OUTCOME.DEADLOCK ? stuckThreads(control, this.parts) : [];
    const deaths = Array.from({ length: this.threads }, (_, index) => index).filter(
      (index) => control[threadBase(index) + T.KILLED] === 1,
    );
    const ended = Array.from({ length: this.threads }, (_, index) => index).filter(
      (index) => control[threadBase(index) + T.STATUS] === STATUS.DONE,
    );
    this.#buffers.reverse();
    const trace = Trace.of(control, control[H.STEP]!, this.#buffers[0]!);
    const pending = outcome === OUTCOME.REDUNDANT ? this.#pending() : [];
    this.#unwind();
    const reports = this.#ports.flatMap(drain);
    const refused = reports.find((report) => report.refused !== undefined)?.refused;
    if (refused !== undefined) throw decodeError(refused);
    this.#noteCuts(reports);
    for (const report of reports) this.loaded.add(report);
    return { outcome, trace, reports, stuck, deaths, ended, pending };
  }

  /**
   * Where, in the schedules since this was asked last, a loop was put off that may count, so that what it would have
   * done next was not seen.
   */
  takeCuts(): readonly string[] {
    const control = this.#control;
    if (control[H.POLLS] !== 0 && control[H.CLOCK] !== 0)
      this.#cuts.add("a loop of waits with time limits, and a clock");
    const cuts = [...this.#cuts].sort();
    this.#cuts = new Set();
    control[H.POLLS] = 0;
    control[H.CLOCK] = 0;
    return cuts;
  }

  #noteCuts(reports: readonly ThreadReport[]): void {
    for (const { thread, cutSites = [] } of reports) (this.#cutSites[thread] ??= []).push(...cutSites);
    for (let thread = 0; thread < this.#workers.length; thread++) {
      const bits = this.#control[threadBase(thread) + T.CUTS]!;
      if (bits === 0) continue;
      for (const [index, site] of this.#cutSites[thread]!.entries())
        if ((bits & (1 << Math.min(index, MOST_CUT_SITES - 1))) !== 0) this.#cuts.add(site);
    }
  }

  /** The state as it is after the last schedule, for `check`. */
  stateNow(): unknown {
    return copyState(this.state);
  }

  async close(): Promise<void> {
    this.#control[H.EXIT] = 1;
    for (let index = 0; index < this.#workers.length; index++) giveBaton(this.#control, index);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    for (const port of this.#ports) port.close();
  }

  #prepare({ prefix, sleep = 0, sleepAt = 0, random, sites = false, spins = this.#spins }: Plan): void {
    const control = this.#control;
    new Waiters(control).clear();
    for (let index = 0; index < MAX_MESSAGES; index++) control[messageBase(index)] = 0;
    for (let index = 0; index < MAX_LISTENERS; index++) control[listenerBase(index)] = 0;
    control[H.BYTES] = 0;
    control[H.STEP] = 0;
    control[H.OUTCOME] = OUTCOME.NONE;
    control[H.CUT] = 0;
    control[H.THREADS] = this.#workers.length;
    control[H.PREFIX] = prefix.length;
    control[H.SLEEP] = sleep;
    control[H.SLEEP_AT] = sleepAt;
    control[H.MAX_STEPS] = this.#maxSteps;
    control[H.SPINS] = spins;
    control[H.SITES] = sites ? 1 : 0;
    control[H.LAST] = -1;
    control[H.SUPERVISOR] = this.#supervised ? this.threads : -1;
    control[H.STAMP] = 1;
    control[H.DEATHS] = 0;
    control[H.KILL_AT] = -1;
    control[H.CHANGES] = 0;
    control[H.STRATEGY] =
      random === undefined ? STRATEGY.STRAIGHT : random.kind === "walk" ? STRATEGY.WALK : STRATEGY.PRIORITIES;
    prefix.forEach((choice, step) => {
      control[prefixAt(step)] = choice;
    });
    for (let index = 0; index < MAX_THREADS; index++) {
      const base = threadBase(index);
      control.fill(0, base, base + THREAD_WORDS);
      control[base + T.STATUS] = index < this.threads ? STATUS.DUE : STATUS.OFF;
      control[base + T.WOKEN_BY] = -1;
    }
    if (random !== undefined) this.#drawPriorities(random);
  }

  #drawPriorities({ seed, length, changes, kill }: NonNullable<Plan["random"]>): void {
    const control = this.#control;
    control[H.SEED] = seed;
    control[H.LOW] = 0;
    const order = Array.from({ length: this.#workers.length }, (_, index) => index);
    for (let left = order.length; left > 1; left--) {
      const drawn = draw(control, left);
      [order[left - 1], order[drawn]] = [order[drawn]!, order[left - 1]!];
    }
    order.forEach((thread, place) => {
      control[threadBase(thread) + T.PRIORITY] = place + 1;
    });
    control[H.CHANGES] = changes;
    for (let change = 0; change < changes; change++) control[changeAt(change)] = draw(control, Math.max(1, length));
    if (!kill) return;
    control[H.KILL_WHO] = draw(control, this.threads);
    control[H.KILL_AT] = draw(control, Math.max(1, length));
  }

  #await(): void {
    const inTime = awaitBaton(this.#control, CONTROLLER, STALLED_MS);
    const gone = this.#control[H.GONE]! - 1;
    if (gone >= 0)
      throw new LockstepError(
        "WORKER_DIED",
        `thread ${gone} of "${this.name}" ended in the middle of a schedule, with code ` +
          `${this.#control[H.GONE_CODE]!}: an explored thread may not end itself (process.exit)`,
        { program: this.name, thread: gone },
      );
    if (inTime) return;
    const running = Array.from({ length: this.#workers.length }, (_, index) => index).filter(
      (index) => this.#control[threadBase(index) + T.STATUS] === STATUS.READY,
    );
    throw new LockstepError(
      "TIMEOUT",
      `a thread of "${this.name}" (one of ${running.join(", ")}) has not come to its next operation on shared ` +
        `memory for ${STALLED_MS / 1000} s: it computes without end, or sleeps where the explorer cannot see it`,
      { program: this.name, step: this.#control[H.STEP]! },
    );
  }

  /** Ends every thread that is still within its body. */
  #unwind(): void {
    const control = this.#control;
    control[H.CUT] = 1;
    for (let index = 0; index < this.#workers.length; index++) {
      const status = control[threadBase(index) + T.STATUS]!;
      if (status === STATUS.DONE || status === STATUS.KILLED || status === STATUS.OFF) continue;
      giveBaton(control, index);
      this.#await();
    }
  }

  #pending(): (Pending | null)[] {
    const control = this.#control;
    return Array.from({ length: this.threads }, (_, thread) => {
      const base = threadBase(thread);
      return control[base + T.STATUS] === STATUS.READY
        ? { kind: control[base + T.KIND]!, buffer: control[base + T.BUFFER]!, offset: control[base + T.OFFSET]! }
        : null;
    });
  }
}

/** The state of a program. @throws INPUT_INVALID */
function setUp(program: Program, name: string): unknown {
  let state: unknown;
  try {
    state = program.setup();
  } catch (thrown) {
    const what = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
    throw new LockstepError(
      "INPUT_INVALID",
      `setup of the program "${name}" threw ${what}`,
      { program: name },
      {
        cause: thrown,
      },
    );
  }
  requireSynchronous(state, "setup", name);
  return state;
}

function drain(port: MessagePort): ThreadReport[] {
  const reports: ThreadReport[] = [];
  for (let received = receiveMessageOnPort(port); received !== undefined; received = receiveMessageOnPort(port))
    reports.push(received.message as ThreadReport);
  return reports;
}
