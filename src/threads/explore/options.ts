/** The options of an exploration. */
import { z } from "zod";
import { LockstepError } from "../../base/index.ts";

const schema = z.strictObject({
  strategy: z.enum(["auto", "classes", "bounded", "random"]).default("auto"),
  preemptions: z.union([z.int().min(0).max(100), z.literal(Infinity)]).default(2),
  schedules: z.int().min(1).max(100_000_000).default(20_000),
  depth: z.int().min(1).max(16).default(3),
  seed: z.int().min(0).max(0x7fff_ffff).default(1),
  maxSchedules: z.int().min(1).max(1_000_000_000).default(200_000),
  maxSeconds: z.number().positive().max(86_400).default(60),
  maxSteps: z.int().min(10).max(20_000).default(5_000),
  spins: z.int().min(2).max(10_000).default(8),
  kills: z.int().min(0).max(8).optional(),
  replay: z.string().max(200_000).optional(),
  races: z.boolean().default(true),
  coverage: z.boolean().default(true),
});

export interface ExploreProgress {
  readonly program: string;
  /** Of the stage that is running. */
  readonly stage: string;
  readonly schedules: number;
  readonly seconds: number;
}

export interface ExploreOptions {
  /**
   * `classes`: every class of equivalent schedules, with no bound; `bounded`: every schedule with at most
   * `preemptions`; `random`: `schedules` random ones. `auto` tries everything within the limits (`classes`),
   * and where that does not end, or loops were cut in it, `bounded` from 0 up to
   * `preemptions`, then `random`. @default "auto"
   */
  readonly strategy?: "auto" | "classes" | "bounded" | "random";
  /** Of `bounded`: Infinity enumerates every interleaving. @default 2 */
  readonly preemptions?: number;
  /** Of `random`. @default 20_000 */
  readonly schedules?: number;
  /** Of `random`: depth of the bugs that its priority schedules aim at. @default 3 */
  readonly depth?: number;
  /** Of `random`. @default 1 */
  readonly seed?: number;
  /** Of one enumeration. @default 200_000 */
  readonly maxSchedules?: number;
  /** Of one enumeration. @default 60 */
  readonly maxSeconds?: number;
  /**
   * A loop that does the same this many rounds long, nothing being changed by anybody, is put off until something is.
   * Where it may count its rounds (its source does not show that it keeps nothing), that is reported, and the search is
   * not complete; a loop that gives up after fewer rounds is explored as it is. @default 8
   */
  readonly spins?: number;
  /** A schedule that is longer than this has failed: its threads go on for ever. @default 5_000 */
  readonly maxSteps?: number;
  /** Threads that may die in a schedule. @default 1 if the program has `supervise`, else 0 */
  readonly kills?: number;
  /** Run this one schedule only (the text that a failure was reported with). */
  readonly replay?: string;
  /** Report data races. @default true */
  readonly races?: boolean;
  /** Report which branches of the explored files were taken. @default true */
  readonly coverage?: boolean;
  /** About twice a second. */
  readonly onProgress?: (progress: ExploreProgress) => void;
  /** Ends the exploration with CANCELLED. */
  readonly signal?: AbortSignal;
}

export type CompleteOptions = Readonly<z.output<typeof schema>>;

export function completeOptions({
  onProgress: _onProgress,
  signal: _signal,
  ...options
}: ExploreOptions): CompleteOptions {
  const parsed = schema.safeParse(options);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new LockstepError(
    "OPTION_INVALID",
    `the options of explore: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}`,
  );
}
