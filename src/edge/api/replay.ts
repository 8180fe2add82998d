/** `replay`: every answer of a log computed again from its receipt, on the version and the executor that gave it. */
import { z } from "zod";
import { isLockstepError, parseOptions } from "../../base/index.ts";
import { replayLog, type Receipt, type Recomputed, type ReplayReport } from "../../work/audit/index.ts";
import { Model, type AskOptions } from "../../work/model/index.ts";
import { recalled, TASKS, type RecalledOf, type Task, type TaskName, type TypesOf } from "../../work/tasks/index.ts";
import { callbackSchema, pathSchema, requirePath, signalSchema, threadsSchema } from "./options.ts";
import { keptHeads, ownPublicKey, receiptsPath } from "./receipts.ts";
import { isStore, openSource } from "./source.ts";

const replaySchema = z.strictObject({
  log: pathSchema.optional(),
  threads: threadsSchema.optional(),
  executor: z.enum(["native", "portable"]).optional(),
  publicKey: z.string().optional(),
  expectedHead: z.string().optional(),
  minCount: z.int().min(0).optional(),
  from: z.int().min(0).default(0),
  limit: z.int().min(1).optional(),
  tolerance: z.number().min(0).max(1).default(1e-4),
  signal: signalSchema,
  onProgress: callbackSchema<(done: number) => void>(),
});

export interface ReplayOptions {
  /** @default receipts.sqlite in the store's folder */
  readonly log?: string | undefined;
  readonly threads?: number | undefined;
  /** @default the one that each answer was given on */
  readonly executor?: "native" | "portable" | undefined;
  /**
   * The log must be signed by this key (PEM, or SPKI DER in base64).
   * @default the one in `$LOCKSTEP_HOME`; where there is none, the key that the log itself names
   */
  readonly publicKey?: string | undefined;
  /** The log must contain this head. */
  readonly expectedHead?: string | undefined;
  /** The log must have at least as many receipts. */
  readonly minCount?: number | undefined;
  /** First receipt. @default 0 */
  readonly from?: number | undefined;
  /** Most receipts. @default all */
  readonly limit?: number | undefined;
  /**
   * Across profiles: most difference of two numbers of an answer, absolute below 1 and relative above. @default 1e-4
   */
  readonly tolerance?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}

const recordedProfile = z.object({ executor: z.enum(["native", "portable"]) });

/**
 * Who signed the log and what is claimed of it is in the report's `log`; `requireReplayed` says whether it proves
 * enough. A head of the log that is kept in `$LOCKSTEP_HOME` must be in it.
 *
 * @throws LOG_CORRUPT when the log does not verify: then nothing is replayed; NOT_FOUND
 */
export async function replay(store: string, options: ReplayOptions = {}): Promise<ReplayReport> {
  requirePath(store, "the store or folder that replay takes");
  const {
    log,
    threads,
    executor,
    publicKey = ownPublicKey(),
    ...rest
  } = parseOptions(replaySchema, options, "the options of replay");
  const models = new Map<string, Promise<Model | undefined>>();
  const modelOf = (version: string, on: "native" | "portable"): Promise<Model | undefined> => {
    const key = `${version} ${on}`;
    const known = models.get(key) ?? openVersion(store, version, on, threads);
    models.set(key, known);
    return known;
  };
  const recompute = async (receipt: Receipt, request: unknown): Promise<Recomputed | undefined> => {
    const question = recalled(request);
    const model = await modelOf(
      receipt.version,
      executor ?? recordedProfile.parse(JSON.parse(receipt.profile)).executor,
    );
    if (model === undefined) return undefined;
    return { ...(await answerAgain(model, question, receipt)), profileId: model.profile.id };
  };
  try {
    return await replayLog(
      log ?? receiptsPath(store),
      recompute,
      Object.fromEntries(
        Object.entries({ ...rest, publicKey, keptHeads: keptHeads() }).filter(([, value]) => value !== undefined),
      ),
    );
  } finally {
    for (const model of models.values()) await (await model.catch(() => undefined))?.close();
  }
}

/** The summary is without what it says today and did not say when the receipt was written. */
async function answerAgain<T extends TaskName>(
  model: Model,
  { task: name, question, options }: RecalledOf<T>,
  receipt: Receipt,
): Promise<Omit<Recomputed, "profileId">> {
  const task: Task<T, TypesOf[T]> = TASKS[name];
  const {
    answers: [answer],
  } = await model.ask(name, [question], options as AskOptions<T>);
  const recorded = JSON.parse(receipt.summary ?? "{}") as object;
  const summary = Object.entries(task.summary(answer!)).filter(
    ([key]) => key in recorded || !task.laterFields.includes(key),
  );
  return { answerDigest: answer!.digest, summary: Object.fromEntries(summary) };
}

/** Undefined: that version is not there any more. */
async function openVersion(
  path: string,
  version: string,
  executor: "native" | "portable",
  threads: number | undefined,
): Promise<Model | undefined> {
  const source = await openSource(path, (await isStore(path)) ? version : undefined).catch((thrown: unknown) => {
    if (isLockstepError(thrown) && thrown.code === "NOT_FOUND") return undefined;
    throw thrown;
  });
  return source?.name === version ? await Model.open(source, { executor, threads: threads ?? 1 }) : undefined;
}
