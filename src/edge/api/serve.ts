/** `serve`: a model behind HTTP, with receipts. */
import { join } from "node:path";
import { z } from "zod";
import { LockstepError, parseOptions, stateFolder, toLockstepError } from "../../base/index.ts";
import type { AuditLog } from "../../work/audit/index.ts";
import type { Store } from "../../work/store/index.ts";
import { createHttpServer, httpOptions, type HttpOptions, type HttpServer } from "../http/index.ts";
import { ServingFigures } from "./figures.ts";
import { Model, modelSchema, type ModelOptions } from "../../work/model/index.ts";
import { loadModel } from "./load-model.ts";
import { callbackSchema, pathSchema } from "./options.ts";
import { openLog, receiptsPath } from "./receipts.ts";
import { Service } from "./service.ts";

const serveSchema = z.strictObject({
  http: z.custom<HttpOptions>().default({}),
  audit: z.union([pathSchema, z.literal(false)]).optional(),
  auditKey: z.union([pathSchema, z.literal(false)]).optional(),
  examples: z.array(z.string()).readonly().default([]),
  onError: callbackSchema<(error: LockstepError) => void>(),
});

export interface ServeOptions {
  /** Address, port, limits, key file; see HttpOptions. */
  readonly http?: HttpOptions | undefined;
  /** The log of receipts; false keeps none. @default receipts.sqlite in the store's folder; for a plain folder none */
  readonly audit?: string | false | undefined;
  /** The key that signs the log's head; false leaves it unsigned. @default in `$LOCKSTEP_HOME`, made when missing */
  readonly auditKey?: string | false | undefined;
  /** Questions that the page offers. */
  readonly examples?: readonly string[] | undefined;
  /** Hears of failures that no client was told about. */
  readonly onError?: ((error: LockstepError) => void) | undefined;
}

export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly model: Model;
  /** The log of receipts, or undefined. */
  readonly auditPath: string | undefined;
  /** Lets requests under way finish, then ends the model too if `serve` loaded it. Idempotent. */
  close(): Promise<void>;
}

/**
 * Serves a store (its champion), a folder, or a loaded model.
 * @throws PORT_IN_USE, OPTION_INVALID, LOG_CORRUPT, and what `loadModel` throws
 */
export async function serve(source: string | Model, options: ServeOptions & ModelOptions = {}): Promise<Server> {
  const { own: resolved, model: modelOptions } = optionsOf(source, options);
  const figures = new ServingFigures();
  const model = typeof source === "string" ? await loadModel(source, modelOptions) : source;
  const parts: AsyncDisposable[] = typeof source === "string" ? [model] : [];
  try {
    const log = await openReceipts(model.origin.store, resolved.audit, resolved.auditKey);
    if (log !== undefined) parts.push(log);
    const service = new Service({
      status: { state: "failed", code: "SHUTTING_DOWN", message: "starting" },
      figures,
      examples: resolved.examples,
      ...(resolved.onError === undefined ? {} : { onError: resolved.onError }),
    });
    parts.push(service);
    await service.begin(model, log);
    const server = await createHttpServer(
      service,
      withKeyFile(resolved.http),
      resolved.onError === undefined ? {} : { onError: resolved.onError },
    );
    return runningServer(server, model, log?.path, parts);
  } catch (thrown) {
    await closeAll(parts).catch((error: unknown) => resolved.onError?.(toLockstepError(error)));
    throw thrown;
  }
}

/**
 * The options of serving and those of the model that it loads. A model that is loaded already was given its own.
 * @throws OPTION_INVALID
 */
function optionsOf(source: unknown, options: ServeOptions & ModelOptions) {
  if (typeof source !== "string" && !(source instanceof Model))
    throw new LockstepError(
      "OPTION_INVALID",
      "serve takes the path of a store or of a model's folder, or a model that loadModel gave",
    );
  const allowed =
    typeof source === "string" ? z.strictObject({ ...modelSchema.shape, ...serveSchema.shape }) : serveSchema;
  const misplaced = Object.keys(options ?? {}).filter((key) => !(key in allowed.shape));
  const hints = misplaced.flatMap((key) =>
    key in httpOptions.shape
      ? [`${key} is an option of its HTTP server: http: { ${key}: … }`]
      : key in modelSchema.shape
        ? [`${key} is an option of the model, which is loaded already: give it to loadModel`]
        : [],
  );
  if (hints.length > 0)
    throw new LockstepError("OPTION_INVALID", `the options of serve are not valid: ${hints.join("; ")}`, {
      paths: misplaced.slice(0, 8),
    });
  parseOptions(allowed, options, "the options of serve");
  const { http, audit, auditKey, examples, onError, ...model } = options;
  return {
    own: parseOptions(serveSchema, { http, audit, auditKey, examples, onError }, "the options of serve"),
    model: model satisfies ModelOptions,
  };
}

/** Where receipts go. */
export async function openReceipts(
  store: Store | undefined,
  audit: string | false | undefined,
  auditKey: string | false | undefined,
): Promise<AuditLog | undefined> {
  const path = audit ?? (store === undefined ? false : receiptsPath(store.root));
  return path === false ? undefined : await openLog(path, auditKey);
}

/** Publishing needs a key; its file is the user's, unless another is named. */
export function withKeyFile(http: HttpOptions): HttpOptions {
  return { keyFile: join(stateFolder(), "publish-key"), ...http };
}

export function runningServer(
  server: HttpServer,
  model: Model,
  auditPath: string | undefined,
  parts: readonly AsyncDisposable[],
): Server {
  let closing: Promise<void> | undefined;
  const all = [...parts, { [Symbol.asyncDispose]: () => server.close() }];
  const close = (): Promise<void> => (closing ??= closeAll(all));
  return { url: server.url, port: server.port, model, auditPath, close, [Symbol.asyncDispose]: close };
}

/** Closes every part, last opened first, whatever fails; then throws the first failure. */
export async function closeAll(parts: readonly AsyncDisposable[]): Promise<void> {
  const failures: unknown[] = [];
  for (const part of [...parts].reverse()) {
    try {
      await part[Symbol.asyncDispose]();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
