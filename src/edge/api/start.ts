/**
 * `start`: the whole way in one call. A page at once; a version found, or trained while the page shows it; a check of
 * itself; then the page is the place to ask.
 */
import { z } from "zod";
import { parseOptions, toLockstepError } from "../../base/index.ts";
import { plainTexts, readRows, readTable } from "../../language/data/index.ts";
import { openStore } from "../../work/store/index.ts";
import { createHttpServer, type HttpOptions } from "../http/index.ts";
import { ServingFigures } from "./figures.ts";
import { Model } from "../../work/model/index.ts";
import { TASKS, textTask } from "../../work/tasks/index.ts";
import { aliasSchema, callbackSchema, defaultThreads, pathSchema, signalSchema, threadsSchema } from "./options.ts";
import { selfCheck, type SelfCheckReport } from "./self-check.ts";
import { closeAll, openReceipts, runningServer, withKeyFile, type Server } from "./serve.ts";
import { Service } from "./service.ts";
import { openSource } from "./source.ts";
import { trainOn, type TrainResult } from "./train.ts";
import { requireTrainInput, type TrainInput, type TrainProgress } from "./train-options.ts";
import { TrainingStatusTracker } from "./training-status.ts";
import type { Metrics } from "./version-files.ts";

const startSchema = z.strictObject({
  out: pathSchema.default("./models"),
  alias: aliasSchema.default("champion"),
  threads: threadsSchema.optional(),
  fresh: z.boolean().default(false),
  http: z.custom<HttpOptions>().default({}),
  audit: z.union([pathSchema, z.literal(false)]).optional(),
  auditKey: z.union([pathSchema, z.literal(false)]).optional(),
  sample: z.int().min(1).max(10_000).default(48),
  signal: signalSchema,
  onEvent: callbackSchema<(event: StartEvent) => void>(),
});

export interface StartOptions {
  /** The store. @default "./models" */
  readonly out?: string | undefined;
  /** @default "champion" */
  readonly alias?: string | undefined;
  /** Workers for training, then replicas for serving. @default all cores */
  readonly threads?: number | undefined;
  /** Train even where there is a version, and from the first step even where there is a checkpoint. @default false */
  readonly fresh?: boolean | undefined;
  readonly http?: HttpOptions | undefined;
  readonly audit?: string | false | undefined;
  readonly auditKey?: string | false | undefined;
  /** Texts of the self-check. @default 48 */
  readonly sample?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: StartEvent) => void) | undefined;
}

export type StartEvent =
  | { readonly kind: "listening"; readonly url: string }
  | { readonly kind: "found"; readonly version: string; readonly metrics: Metrics }
  | { readonly kind: "trained"; readonly result: TrainResult }
  | ({ readonly kind: "checked" } & SelfCheckReport)
  | {
      readonly kind: "serving";
      readonly url: string;
      readonly route: string;
      readonly version: string;
      readonly question: string;
    }
  | TrainProgress;

const EXAMPLES = 6;

/**
 * Resolves when questions are answered. @throws what `train`, `serve` and the self-check throw; the server is closed
 * then
 */
export async function start(input: TrainInput, options: StartOptions = {}): Promise<Server> {
  const {
    out,
    alias,
    fresh,
    http,
    audit,
    auditKey,
    sample,
    signal,
    onEvent,
    threads = defaultThreads(),
  } = parseOptions(startSchema, options, "the options of start");
  requireTrainInput(input, "start");
  const figures = new ServingFigures();
  const tracker = new TrainingStatusTracker(threads, (status) => {
    service.setStatus(status);
  });
  const service: Service = new Service({ status: tracker.status, figures });
  const parts: AsyncDisposable[] = [];
  const server = await createHttpServer(service, withKeyFile(http));
  parts.push({ [Symbol.asyncDispose]: () => server.close() });
  try {
    onEvent?.({ kind: "listening", url: server.url });
    const store = await openStore(out, { create: true });
    const known = fresh ? undefined : (await store.aliases()).get(alias);
    let texts: readonly string[] = [];
    if (known === undefined) {
      const onProgress = (event: TrainProgress): void => {
        tracker.onProgress(event);
        onEvent?.(event);
      };
      const onTexts = (read: readonly string[]): void => {
        texts = read;
      };
      const result = await trainOn({ onTexts, anew: true, baseline: "where-known" }, input, {
        out,
        alias,
        threads,
        resume: !fresh,
        onProgress,
        signal,
      });
      service.keepCurve(result.version, tracker.status.history);
      onEvent?.({ kind: "trained", result });
    } else texts = await textsOf(input, signal);
    const questions = spread(texts, sample);
    const source = await openSource(out, alias);
    const model = await Model.open(source, { threads });
    parts.push(model);
    if (known !== undefined)
      onEvent?.({ kind: "found", version: model.version, metrics: model.description?.["metrics"] ?? {} });
    onEvent?.({ kind: "checked", ...(await selfCheck(model, source, questions, threads)) });
    const log = await openReceipts(store, audit, auditKey);
    if (log !== undefined) parts.push(log);
    service.offer(questions.slice(0, EXAMPLES));
    parts.push(service);
    await service.begin(model, log);
    const { route } = TASKS[textTask(model.info)];
    onEvent?.({ kind: "serving", url: server.url, route, version: model.version, question: questions[0] ?? "" });
    return runningServer(server, model, log?.path, parts.slice(1));
  } catch (thrown) {
    const { code, message } = toLockstepError(thrown);
    service.setStatus({ state: "failed", code, message });
    await closeAll(parts).catch(() => undefined); // what stopped it is what is said
    throw thrown;
  }
}

/** Of the test table, else of the training table: for the self-check, and to offer on the page. */
async function textsOf({ test, data, text, label }: TrainInput, signal?: AbortSignal): Promise<readonly string[]> {
  const asked = test ?? data;
  const table =
    typeof asked === "string"
      ? await readTable(asked, {
          ...(text === undefined ? {} : { text }),
          ...(label === undefined ? {} : { label }),
        })
      : await readRows(asked, { name: test === undefined ? "data" : "test", label: false, signal });
  return plainTexts(table);
}

/** At most `count` of them. */
function spread(texts: readonly string[], count: number): readonly string[] {
  const step = Math.max(1, Math.floor(texts.length / count));
  return texts.filter((_, row) => row % step === 0).slice(0, count);
}
