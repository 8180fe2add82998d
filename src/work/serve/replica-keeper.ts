/**
 * Keeps a version's replicas in order: replaces what died, and has sampled answers confirmed. A replica is trusted
 * until it is outvoted by two others, bit for bit; then it leaves, and the fresh one that decided takes its place.
 */
import { isLockstepError, LockstepError, type Clock, type ErrorCode } from "../../base/index.ts";
import type { EncodedRow, NamedVersion, ReplicaBackend, ServeHooks } from "./contract.ts";
import type { LoadedVersion, Replica } from "./loaded-version.ts";
import { outvoted, requireFinite, sameBits } from "./verification.ts";

/** Between tries to open a replica that could not be: doubled each time. */
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;

export interface SampledRow {
  readonly requestId: string;
  readonly index: number;
  readonly row: EncodedRow;
}

/** All of them, or none: what was opened beside a failure is closed again. */
export async function openAll(
  count: number,
  open: () => Promise<ReplicaBackend>,
  hooks: ServeHooks,
): Promise<ReplicaBackend[]> {
  const results = await Promise.allSettled(Array.from({ length: count }, open));
  const opened = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failed = results.find((result) => result.status === "rejected");
  if (failed === undefined) return opened;
  await Promise.all(opened.map((backend) => backend.close().catch((error: unknown) => hooks.onError?.(error))));
  throw failed.reason;
}

export class ReplicaKeeper<V extends NamedVersion> {
  readonly #openReplica: (version: V) => Promise<ReplicaBackend>;
  readonly #hooks: ServeHooks;
  readonly #clock: Clock;

  constructor(openReplica: (version: V) => Promise<ReplicaBackend>, hooks: ServeHooks, clock: Clock) {
    this.#openReplica = openReplica;
    this.#hooks = hooks;
    this.#clock = clock;
  }

  /** Takes a replica out of service and opens another. */
  retire(loaded: LoadedVersion<V>, replica: Replica, reason: "mismatch" | ErrorCode): void {
    if (this.#retire(loaded, replica, reason)) void this.#replace(loaded);
  }

  /**
   * A version that has lost replicas which could not be replaced tries again when it is asked something: at once where
   * it has none, else after a pause, one at a time, so that what fails every time costs little.
   */
  ensure(loaded: LoadedVersion<V>): void {
    if (loaded.opening > 0 || loaded.replicas.length >= loaded.wanted) return;
    if (loaded.replicas.length > 0 && this.#clock.elapsed() < loaded.retry.at) return;
    void this.#replace(loaded).then(() => {
      if (loaded.held && loaded.retry.pauseMs === 0) this.ensure(loaded);
    });
  }

  /**
   * The row's logits, once a second computation has agreed with the first; `signal`: nobody waits for them. Throws
   * NUMERICS_UNTRUSTED if no two of three agree.
   */
  async confirm(
    loaded: LoadedVersion<V>,
    replica: Replica,
    sampled: SampledRow,
    first: Float32Array,
    signal: AbortSignal,
  ): Promise<Float32Array> {
    const { other, logits: second } = await this.#again(loaded, replica, sampled.row, signal);
    this.#hooks.count?.("verified", 1);
    return sameBits(first, second) ? first : await this.#decide(loaded, sampled, [replica, other], [first, second]);
  }

  /**
   * On another replica; on the same one if it is the only one. One that dies under it is replaced, and the row tried
   * once more.
   */
  async #again(
    loaded: LoadedVersion<V>,
    replica: Replica,
    row: EncodedRow,
    signal: AbortSignal,
  ): Promise<{ other: Replica; logits: Float32Array }> {
    for (let failures = 0; ; failures++) {
      const other =
        loaded.leastLoaded(replica) ??
        (replica.leaving ? loaded.add(await this.#openReplica(loaded.version)) : replica);
      try {
        return { other, logits: one(await other.run([row], signal)) };
      } catch (thrown) {
        if (failures > 0 || !isLockstepError(thrown) || thrown.code !== "WORKER_DIED") throw thrown;
        this.retire(loaded, other, thrown.code);
      }
    }
  }

  async #decide(
    loaded: LoadedVersion<V>,
    { requestId, index, row }: SampledRow,
    pair: readonly [Replica, Replica],
    answers: readonly [Float32Array, Float32Array],
  ): Promise<Float32Array> {
    this.#hooks.count?.("mismatched", 1);
    const backend = await this.#openReplica(loaded.version);
    let third: Float32Array;
    try {
      third = one(await backend.run([row]));
    } catch (thrown) {
      await this.#discard(backend);
      throw thrown;
    }
    const odd = outvoted(answers[0], answers[1], third);
    const loser = odd === null ? null : pair[odd];
    // The fresh one takes the loser's place; if the loser is gone already, or nobody lost, it is not needed.
    const placed = loser !== null && this.#retire(loaded, loser, "mismatch") ? loaded.add(backend) : null;
    const version = loaded.version.name;
    this.#hooks.onMismatch?.({
      version,
      requestId,
      row: index,
      replicas: pair.map(({ id }) => id).concat(placed === null ? [] : [placed.id]),
      odd: loser?.id ?? null,
    });
    if (placed === null) await this.#discard(backend);
    if (loser !== null) {
      requireFinite(third, index);
      return third;
    }
    throw new LockstepError(
      "NUMERICS_UNTRUSTED",
      `three replicas of version ${version} gave three different answers to one row: none is given. Run ` +
        `\`lockstep verify\` on this machine`,
      { version, request: requestId, row: index },
    );
  }

  async #discard(backend: ReplicaBackend): Promise<void> {
    try {
      await backend.close();
    } catch (thrown) {
      this.#hooks.onError?.(thrown);
    }
  }

  #retire(loaded: LoadedVersion<V>, replica: Replica, reason: "mismatch" | ErrorCode): boolean {
    if (!loaded.retire(replica)) return false;
    this.#hooks.count?.("replicas_retired", 1);
    this.#hooks.onReplicaRetired?.({ version: loaded.version.name, replica: replica.id, reason });
    return true;
  }

  /** If the last hope of a version fails, so do the rows that wait for it. */
  async #replace(loaded: LoadedVersion<V>): Promise<void> {
    if (!loaded.held) return;
    loaded.pin();
    loaded.opening++;
    try {
      loaded.add(await this.#openReplica(loaded.version));
      loaded.retry = { at: 0, pauseMs: 0 };
    } catch (thrown) {
      this.#hooks.onError?.(thrown);
      const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, 2 * loaded.retry.pauseMs));
      loaded.retry = { at: this.#clock.elapsed() + pauseMs, pauseMs };
      if (loaded.replicas.length === 0 && loaded.opening === 1)
        for (const { ticket } of loaded.queue.clear()) ticket.fail(thrown);
    } finally {
      loaded.opening--;
      loaded.unpin();
    }
  }
}

function one(logits: readonly Float32Array[]): Float32Array {
  const [only] = logits;
  if (only === undefined || logits.length !== 1)
    throw new LockstepError("INTERNAL", `a replica gave ${logits.length} answers for one row`, {
      answers: logits.length,
    });
  return only;
}
