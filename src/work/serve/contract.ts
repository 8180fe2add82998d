/**
 * What serving deals in: rows of tokens in, a row of numbers out for each, of one published version. What a row means,
 * and what is made of its outputs, is the caller's. `V` is whatever the caller needs of a version (tokenizer, labels
 * …); serving reads its name only.
 */
import type { Clock, ErrorCode } from "../../base/index.ts";
import type { TokenRow } from "../infer/index.ts";

export type EncodedRow = TokenRow;

export interface NamedVersion {
  readonly name: string;
}

/** One worker with one version in it. */
export interface ReplicaBackend {
  /**
   * Outputs of each row, in order. All rows are of one padded length. WORKER_DIED: the worker is gone, other errors: it
   * goes on. `signal`: nobody waits for the rows any more. A run that can be ended is, and rejects with CANCELLED.
   */
  run(rows: readonly EncodedRow[], signal?: AbortSignal): Promise<Float32Array[]>;
  /** Ends it once nothing runs. Called once. */
  close(): Promise<void>;
}

export interface SchedulerOptions<V extends NamedVersion> {
  /** Makes a replica of the version in a fresh worker, from hashed bytes. */
  readonly openReplica: (version: V) => Promise<ReplicaBackend>;
  /** Replicas of each version, at least 1. */
  readonly replicas: number;
  /** Rows that may wait; more are refused with OVERLOADED. @default 1024 */
  readonly maxQueue?: number;
  /** Rows in a batch at most. @default 32 */
  readonly maxBatchRows?: number;
  /** Tokens in a batch at most, padding included; a single longer row still runs. @default 4096 */
  readonly maxBatchTokens?: number;
  /**
   * How long a row may wait for mates while its batch is not full, in milliseconds. 0: batch only what is there.
   * @default 0
   */
  readonly maxWaitMs?: number;
  /** Time a request may take from admission to answer, in milliseconds, unless it names its own. @default 30_000 */
  readonly timeoutMs?: number;
  /**
   * Share of rows that are computed twice and compared bit for bit, 0 to 1; chosen by a hash of `sampleKey` and the
   * request's id. @default 0
   */
  readonly verifySample?: number;
  /** What whoever chooses ids must not know, or the sample is theirs to choose. @default random */
  readonly sampleKey?: string;
  /** @default the system's */
  readonly clock?: Clock;
  readonly hooks?: ServeHooks;
}

export interface ServeRequest<V extends NamedVersion> {
  /** Names it in errors; with `sampleKey` it decides, by hash, whether its rows are verified. */
  readonly id: string;
  /** How many rows `encode` will give; they are counted at admission. @default 1 */
  readonly rows?: number;
  /** `encode` may give more rows, which are then counted too, and refused where they have no room. @default false */
  readonly grows?: boolean;
  /** The request's rows under the version that was pinned for it. */
  readonly encode: (version: V) => readonly EncodedRow[] | Promise<readonly EncodedRow[]>;
  /** Milliseconds; see `SchedulerOptions.timeoutMs`. */
  readonly timeoutMs?: number;
  /**
   * Takes the request out of the queue. A run that only such rows are in is ended; where there are others, or the
   * executor cannot, the row is dropped when it comes back.
   */
  readonly signal?: AbortSignal;
  /** Ask the version that this pin holds. @default the current version */
  readonly pin?: VersionPin<V>;
}

/**
 * Holds a version in memory, with its replicas, whatever else is published: until `release`, or until the scheduler
 * closes.
 */
export interface VersionPin<V extends NamedVersion> {
  readonly version: V;
  /** Idempotent. Requests under way keep the version until their answers. */
  release(): void;
}

export interface ServeAnswer<V extends NamedVersion> {
  /** The version pinned at admission; every row is its answer. */
  readonly version: V;
  /** Of each row, in order. */
  readonly outputs: readonly Float32Array[];
  /** How many of the rows were recomputed and compared. */
  readonly verified: number;
  /** From admission until the first of its rows began to run. */
  readonly queueMs: number;
  readonly totalMs: number;
}

export interface Scheduler<V extends NamedVersion> extends AsyncDisposable {
  /** The version that is pinned for new requests; null before the first `publish`. */
  readonly current: V | null;
  /** Rows that wait. */
  readonly waiting: number;
  /** Versions in memory: the current one, and older ones that are still pinned. */
  readonly loaded: readonly V[];
  /**
   * Answers wholly from one version. Throws OVERLOADED (details.retryAfterSeconds), TIMEOUT, CANCELLED, NON_FINITE,
   * NUMERICS_UNTRUSTED, SHUTTING_DOWN, NOT_FOUND (nothing published yet), WORKER_DIED, INPUT_INVALID (its pin was let
   * go), or what `encode` threw.
   */
  submit(request: ServeRequest<V>): Promise<ServeAnswer<V>>;
  /** Pins the current version. Throws SHUTTING_DOWN, NOT_FOUND. */
  pin(): VersionPin<V>;
  /**
   * Builds the version's replicas beside the current ones, runs `commit` (which makes the version lasting), then swaps
   * in the same turn. Requests before the swap keep the old version. Whatever fails before it, `commit` included,
   * leaves the current version as it is. One at a time: CONFLICT while another is under way.
   */
  publish(version: V, commit?: () => Promise<void>): Promise<void>;
  /** Resolves when no request is open. New ones are still taken. */
  drain(): Promise<void>;
  /** Takes no more requests, answers the open ones, closes every replica. Idempotent. */
  close(): Promise<void>;
}

export type ServeCounter =
  | "admitted"
  | "answered"
  | "refused"
  | "timed_out"
  | "cancelled"
  | "failed"
  | "verified"
  | "mismatched"
  | "published"
  | "replicas_retired"
  | "rows_retried";
export type ServeMeasure = "queue_ms" | "run_ms" | "total_ms" | "batch_rows" | "batch_tokens" | "publish_ms";

/** Called synchronously; must not throw. */
export interface ServeHooks {
  readonly count?: (name: ServeCounter, by: number) => void;
  readonly observe?: (name: ServeMeasure, value: number) => void;
  /** Two replicas gave other bits for one row. */
  readonly onMismatch?: (report: MismatchReport) => void;
  readonly onReplicaRetired?: (report: RetiredReport) => void;
  /** What went wrong beside any request: a replica that could not be replaced or closed. */
  readonly onError?: (error: unknown) => void;
}

export interface MismatchReport {
  readonly version: string;
  readonly requestId: string;
  readonly row: number;
  /** The replicas compared: the one that ran the batch, the one that ran it again, the fresh one. */
  readonly replicas: readonly number[];
  /** The replica that was outvoted and is retired; null: no two agreed, and the request failed. */
  readonly odd: number | null;
}

export interface RetiredReport {
  readonly version: string;
  readonly replica: number;
  readonly reason: "mismatch" | ErrorCode;
}
