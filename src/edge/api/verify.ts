/**
 * `verify`: P2 shown for one version on this machine. Raw bits of every row, alone against every batch size, position
 * and mix of lengths, in every executor, and through the scheduler on several threads; with a negative control that the
 * same comparison must catch.
 */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { availableExecutors, type Profile } from "../../numeric/runtime/index.ts";
import {
  BATCH_SIZES,
  cutRows,
  firstOf,
  invarianceRows,
  openInvariancePool,
  readVersionInfo,
  rowAt,
  shuffled,
  type Difference,
  type RowRef,
  type RowSet,
} from "../../work/infer/index.ts";
import { createScheduler, openThreadReplica, type ReplicaBackend } from "../../work/serve/index.ts";
import { callbackSchema, requirePath, signalSchema, threadsSchema } from "./options.ts";
import { openSource, type ModelSource } from "./source.ts";

/**
 * Of the short rows, one stands at every position of every batch size in turn; of longer ones, which cost more, four
 * stand at every position.
 */
const EVERY_WINDOW = 32;
const SOME_WINDOWS = 4;
/**
 * Rows in a request, by turns, and requests under way at once per replica; the scheduler makes its own batches of them.
 */
const REQUEST_ROWS = [1, 3, 2, 5, 1, 4];
const REQUESTS_AT_ONCE = 4;
/** Times that all rows are asked, each time in another order. */
const PASSES = 2;
/** A slow machine is no difference. */
const LONG_MS = 3_600_000;

type ExecutorChoice = "native" | "portable";

const verifySchema = z.strictObject({
  version: z.string().min(1).optional(),
  executors: z
    .array(z.enum(["native", "portable"]))
    .min(1)
    .optional(),
  threads: z.array(threadsSchema).min(1).default([1, 2, 4]),
  quick: z.boolean().default(false),
  signal: signalSchema,
  onProgress: callbackSchema<(event: VerifyProgress) => void>(),
});

export interface VerifyOptions {
  /** @default the alias "champion", or the only version */
  readonly version?: string | undefined;
  /** @default every one that is installed */
  readonly executors?: readonly ExecutorChoice[] | undefined;
  /** Replica threads to go through. @default 1, 2, 4 */
  readonly threads?: readonly number[] | undefined;
  /** A few windows of each batch size instead of every position. @default false */
  readonly quick?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: VerifyProgress) => void) | undefined;
}

export interface VerifyProgress {
  readonly executor: ExecutorChoice;
  readonly check: string;
  readonly rows: number;
}

export interface VerifyCheck {
  readonly executor: ExecutorChoice;
  readonly check: string;
  readonly runs: number;
  readonly rows: number;
  readonly difference: Difference | null;
}

export interface VerifyReport {
  /** No difference anywhere, and every control was caught. */
  readonly ok: boolean;
  readonly version: string;
  readonly profiles: readonly Profile[];
  /** Padded tokens of the rows. */
  readonly lengths: readonly number[];
  readonly batchSizes: readonly number[];
  readonly checks: readonly VerifyCheck[];
  /** Whether the comparison saw a program whose rows do depend on their mates. */
  readonly controls: readonly { readonly executor: ExecutorChoice; readonly caught: boolean }[];
  readonly seconds: number;
}

/**
 * @throws as `openSource`; VERSION_CORRUPT where a byte is not as published; CANCELLED. A difference is in the report.
 */
export async function verify(path: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { version, executors, threads, quick, signal, onProgress } = parseOptions(
    verifySchema,
    options,
    "the options of verify",
  );
  requirePath(path, "the store or folder that verify takes");
  const started = performance.now();
  const source = await openSource(path, version);
  const { tokenizer, maxTokens } = readVersionInfo(source.files);
  const sets = await invarianceRows(tokenizer, maxTokens);
  const installed = await availableExecutors();
  const chosen = executors ?? (["native", "portable"] as const).filter((name) => installed.includes(name));
  const profiles: Profile[] = [];
  const checks: VerifyCheck[] = [];
  const controls: { executor: ExecutorChoice; caught: boolean }[] = [];
  for (const executor of chosen) {
    const report =
      (check: string) =>
      (rows: number): void =>
        onProgress?.({ executor, check, rows });
    const direct = await verifyDirect(source, executor, sets, quick, signal, report);
    profiles.push(direct.profile);
    checks.push(...direct.checks);
    controls.push({ executor, caught: direct.caught });
    for (const count of threads)
      checks.push(
        await verifyScheduled(source, executor, sets, direct.alone, count, signal, report(`${count} threads`)),
      );
  }
  const ok = checks.every(({ difference }) => difference === null) && controls.every(({ caught }) => caught);
  return {
    ok,
    version: source.name,
    profiles,
    lengths: sets.map(({ tokens }) => tokens),
    batchSizes: [...BATCH_SIZES],
    checks,
    controls,
    seconds: (performance.now() - started) / 1000,
  };
}

interface Direct {
  readonly profile: Profile;
  readonly alone: readonly (readonly Float32Array[])[];
  readonly checks: readonly VerifyCheck[];
  readonly caught: boolean;
}

/** Exact batches, run by run, on one worker thread. */
async function verifyDirect(
  source: ModelSource,
  executor: ExecutorChoice,
  sets: readonly RowSet[],
  quick: boolean,
  signal: AbortSignal | undefined,
  report: (check: string) => (rows: number) => void,
): Promise<Direct> {
  let onRows = report("alone");
  await using pool = await openInvariancePool({ files: source.files, executor, sets }, (rows) => {
    onRows(rows);
  });
  await pool.ready();
  const requestOptions = signal === undefined ? {} : { signal };
  const { profile, sets: joined } = await pool.request(0, { kind: "alone" }, requestOptions);
  const checks: VerifyCheck[] = [];
  for (const [set, { tokens }] of sets.entries()) {
    const check = `batches of rows of ${tokens} tokens`;
    onRows = report(check);
    const { runs, rows, difference } = await pool.request(
      0,
      { kind: "batches", set, windows: quick ? 2 : set === 0 ? EVERY_WINDOW : SOME_WINDOWS },
      requestOptions,
    );
    checks.push({ executor, check, runs, rows, difference });
  }
  onRows = report("mates of other lengths");
  const mixed = await pool.request(0, { kind: "mixed", orders: quick ? 1 : 4 }, requestOptions);
  checks.push({
    executor,
    check: "mates of other lengths",
    runs: mixed.runs,
    rows: mixed.rows,
    difference: mixed.difference,
  });
  if (executor === "native") {
    onRows = report("two threads inside an operator");
    const intra = await pool.request(0, { kind: "intraOp", threads: 2 }, requestOptions);
    checks.push({
      executor,
      check: "two threads inside an operator",
      runs: intra.runs,
      rows: intra.rows,
      difference: intra.difference,
    });
  }
  onRows = report("negative control");
  const control = await pool.request(0, { kind: "control" }, requestOptions);
  const alone = joined.map(cutRows);
  return { profile, alone, checks, caught: control.difference !== null };
}

/**
 * Every row of every set through the scheduler that serves, in shuffled order, in requests of one to five rows, several
 * under way at once. Each batch that a replica gets to run is compared where it stands in it; the answers that come out
 * are compared once more.
 */
async function verifyScheduled(
  source: ModelSource,
  executor: ExecutorChoice,
  sets: readonly RowSet[],
  alone: Direct["alone"],
  threads: number,
  signal: AbortSignal | undefined,
  onRows: (rows: number) => void,
): Promise<VerifyCheck> {
  const check = `through the scheduler on ${threads} ${threads === 1 ? "thread" : "threads"}`;
  const all = sets.flatMap(({ rows }, set) => rows.map((_, row): RowRef => ({ set, row })));
  const refOf = new Map(all.map((ref) => [rowAt(sets, ref), ref]));
  const refs = Array.from({ length: PASSES }, (_, pass) => shuffled(all, threads, pass)).flat();
  let runs = 0;
  let inBatch: Difference | null = null;
  const openReplica = async (): Promise<ReplicaBackend> => {
    // not checked when it is opened: what that would throw is to be reported, with its place
    const replica = await openThreadReplica({
      files: source.files,
      executor,
      name: "verify",
      predictor: { selfCheck: false },
    });
    return {
      close: () => replica.close(),
      run: async (rows) => {
        const answers = await replica.run(rows);
        runs++;
        onRows(rows.length);
        inBatch ??= firstOf(
          sets,
          alone,
          rows.map((row) => refOf.get(row)!),
          answers,
        );
        return answers;
      },
    };
  };
  await using scheduler = createScheduler<{ readonly name: string }>({
    replicas: threads,
    openReplica,
    timeoutMs: LONG_MS,
  });
  await scheduler.publish({ name: source.name });
  const requests = inTurn(refs, REQUEST_ROWS).values();
  let outcome: Difference | null = null;
  const ask = async (): Promise<void> => {
    for (const request of requests) {
      const rows = request.map((ref) => rowAt(sets, ref));
      const { outputs } = await scheduler.submit({
        id: "verify",
        rows: rows.length,
        encode: () => rows,
        ...(signal === undefined ? {} : { signal }),
      });
      outcome ??= firstOf(sets, alone, request, outputs);
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE * threads }, ask));
  return { executor, check, runs, rows: refs.length, difference: inBatch ?? outcome };
}

/** Cut into pieces of the given lengths, over and over. */
function inTurn<T>(items: readonly T[], lengths: readonly number[]): T[][] {
  const pieces: T[][] = [];
  for (let at = 0; at < items.length;) {
    const length = lengths[pieces.length % lengths.length] ?? 1;
    pieces.push(items.slice(at, at + length));
    at += length;
  }
  return pieces;
}

/** @throws CHECK_FAILED with the first difference, or the control that was not caught */
export function requireVerified(report: VerifyReport): void {
  for (const { executor, check, difference: d } of report.checks) {
    if (d === null) continue;
    throw new LockstepError(
      "CHECK_FAILED",
      `${executor}, ${check}: row ${d.row} of ${d.length} tokens gave ${d.actual} at position ${d.position} of ` +
        `${d.batch}, but ${d.expected} alone (element ${d.element}, float32 bits): answers of this version ` +
        "depend on load here",
      {
        executor,
        batch: d.batch,
        position: d.position,
        length: d.length,
        element: d.element,
        expected: d.expected,
        actual: d.actual,
      },
    );
  }
  const missed = report.controls.find(({ caught }) => !caught);
  if (missed !== undefined)
    throw new LockstepError(
      "CHECK_FAILED",
      `${missed.executor}: the negative control, whose rows do depend on their mates, was not caught, so the ` +
        "comparison proves nothing",
      { executor: missed.executor },
    );
}
