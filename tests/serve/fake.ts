/**
 * Fake versions and replicas: a row's logits are a function of the row and the version alone, and time moves when the
 * test says so.
 */
import { LockstepError, ManualClock } from "../../src/base/index.ts";
import {
  createScheduler,
  type EncodedRow,
  type ReplicaBackend,
  type Scheduler,
  type SchedulerOptions,
  type ServeHooks,
} from "../../src/work/serve/index.ts";

export interface FakeVersion {
  readonly name: string;
  readonly salt: number;
}
export const version = (salt: number): FakeVersion => ({ name: `v${salt}`, salt });

export function row(tokens: number, value = 1): EncodedRow {
  return { ids: new Int32Array(tokens).fill(value) };
}

/** What a correct replica answers. */
export function truth({ salt }: FakeVersion, { ids }: EncodedRow): Float32Array {
  return Float32Array.of(salt, ids.length, ids.reduce((sum, id, t) => sum + id * (t + 1), 0) / 7);
}

export class FakeReplica implements ReplicaBackend {
  readonly version: FakeVersion;
  readonly batches: number[][] = [];
  closed = false;
  /** Changes what it answers. */
  corrupt: ((logits: Float32Array, batch: readonly EncodedRow[]) => Float32Array) | null = null;
  error: ((batch: readonly EncodedRow[]) => Error | null) | null = null;
  /** While set, runs wait for `release`. */
  gated: boolean;
  #gates: (() => void)[] = [];
  #running = 0;

  constructor(of: FakeVersion, gated: boolean) {
    this.version = of;
    this.gated = gated;
  }

  /** Batches whose run was ended because nobody waited for it any more. */
  ended = 0;

  async run(rows: readonly EncodedRow[], signal?: AbortSignal): Promise<Float32Array[]> {
    if (this.closed) throw new LockstepError("INTERNAL", "a closed replica was run");
    this.batches.push(rows.map(({ ids }) => ids.length));
    this.#running++;
    const stopped = Promise.withResolvers<void>();
    signal?.addEventListener("abort", () => {
      stopped.resolve();
    });
    if (this.gated) await Promise.race([new Promise<void>((resolve) => this.#gates.push(resolve)), stopped.promise]);
    this.#running--;
    if (signal?.aborted === true) {
      this.ended++;
      throw new LockstepError("CANCELLED", "the run was ended");
    }
    const error = this.error?.(rows) ?? null;
    if (error !== null) throw error;
    return rows.map((each) => this.corrupt?.(truth(this.version, each), rows) ?? truth(this.version, each));
  }

  release(): void {
    this.#gates.shift()?.();
  }

  open(): void {
    this.gated = false;
    for (const gate of this.#gates.splice(0)) gate();
  }

  async close(): Promise<void> {
    if (this.closed || this.#running > 0)
      throw new LockstepError("INTERNAL", "a replica was closed twice, or while it ran");
    this.closed = true;
  }
}

export interface Rig {
  readonly scheduler: Scheduler<FakeVersion>;
  readonly clock: ManualClock;
  readonly replicas: FakeReplica[];
  readonly counts: Record<string, number>;
  readonly errors: unknown[];
}

export interface RigOptions extends Partial<SchedulerOptions<FakeVersion>> {
  readonly gated?: boolean;
  readonly onOpen?: (replica: FakeReplica, nth: number) => void | Promise<void>;
}

export function rig({ gated = false, onOpen, hooks, ...options }: RigOptions = {}): Rig {
  const clock = new ManualClock();
  const replicas: FakeReplica[] = [];
  const counts: Record<string, number> = {};
  const errors: unknown[] = [];
  const ownHooks: ServeHooks = {
    count: (name, by) => {
      counts[name] = (counts[name] ?? 0) + by;
    },
    onError: (error) => errors.push(error),
    ...hooks,
  };
  const scheduler = createScheduler<FakeVersion>({
    openReplica: async (of) => {
      const replica = new FakeReplica(of, gated);
      replicas.push(replica);
      await onOpen?.(replica, replicas.length - 1);
      return replica;
    },
    replicas: 1,
    clock,
    hooks: ownHooks,
    ...options,
  });
  return { scheduler, clock, replicas, counts, errors };
}

/** Lets everything that is due happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}
