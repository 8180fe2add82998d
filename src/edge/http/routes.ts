/** The JSON routes: parse, hand over, answer. Everything that they share (guards, limits, errors) is in server.ts. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { rowsOf, TASK_NAMES, TASKS, type Task, type TaskName, type TypesOf } from "../../work/tasks/index.ts";
import { publishRequest, type HttpDeps } from "./contract.ts";
import { errorBody } from "./errors.ts";
import { checkKey } from "./key.ts";
import type { Metrics } from "./metrics.ts";
import { openApi } from "./openapi.ts";
import { EVENT_STREAM, type EventStreams } from "./streams.ts";
import type { UnderWay } from "./under-way.ts";

export interface RouteContext {
  readonly deps: HttpDeps;
  readonly metrics: Metrics;
  readonly streams: EventStreams;
  readonly underWay: UnderWay;
  /** Undefined: publishing is off. */
  readonly key: string | undefined;
  readonly requestTimeoutMs: number;
  readonly isDraining: () => boolean;
}

export function addRoutes(app: FastifyInstance, context: RouteContext): void {
  const { deps, metrics, streams, underWay, key, isDraining } = context;
  for (const name of TASK_NAMES) addTask(app, name, context);

  app.get("/v1/models", () => ({ models: deps.models() }));

  app.post("/v1/models/publish", async (request) => {
    if (deps.publish === undefined || key === undefined) {
      throw new LockstepError("FORBIDDEN", "publishing is off: start the server with a key file");
    }
    checkKey(request.headers.authorization, key);
    return await deps.publish(parseOptions(publishRequest, request.body, "the request", "INPUT_INVALID"));
  });

  app.get<{ Params: { id: string } }>("/v1/receipts/:id", async (request) => {
    const { id } = request.params;
    const receipt = /^[\w.:-]{1,200}$/.test(id) ? await deps.receipt(id) : undefined;
    if (receipt === undefined) throw new LockstepError("NOT_FOUND", "no such receipt in this server's log");
    return receipt;
  });

  app.get("/v1/status", () => deps.status());

  // A stream has no end that HEAD could leave out.
  app.head("/v1/events", (_request, reply) => reply.type(EVENT_STREAM).send(""));
  app.get("/v1/events", { exposeHeadRoute: false }, (request, reply) => {
    streams.admit();
    reply.hijack();
    underWay.leave(request.raw);
    streams.add(reply.raw, deps.status());
  });

  app.get("/healthz", () => ({ ok: true }));

  app.get("/readyz", (_request, reply) => {
    const why = isDraining() ? new LockstepError("SHUTTING_DOWN", "the server is closing") : deps.notReady();
    return why === undefined ? { ready: true } : reply.code(503).send({ ready: false, ...errorBody(why) });
  });

  app.get("/metrics", async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()));

  app.get("/openapi.json", () => openApi());
}

function addTask<T extends TaskName>(
  app: FastifyInstance,
  name: T,
  { deps, metrics, requestTimeoutMs }: RouteContext,
): void {
  const task: Task<T, TypesOf[T]> = TASKS[name];
  app.post(task.route, async (request, reply) => {
    const body = parseOptions(task.body, request.body, "the request", "INPUT_INVALID");
    const { questions, options } = task.ofBody(body);
    const { model, seed } = body;
    const answers = await withinTime(reply, requestTimeoutMs, (signal) =>
      deps.ask(name, { questions, options, model, seed, signal }),
    );
    metrics.texts(rowsOf(name, questions));
    return { answers, model: answers[0]!.version };
  });
}

/** Runs `work` with a signal that is aborted when the client has gone; throws TIMEOUT when it takes too long. */
async function withinTime<T>(reply: FastifyReply, ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const gone = (): void => {
    if (!reply.raw.writableFinished) controller.abort(new LockstepError("CANCELLED", "the client has gone"));
  };
  reply.raw.once("close", gone);
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  controller.signal.addEventListener("abort", () => reject(controller.signal.reason as LockstepError), { once: true });
  const timer = setTimeout(
    () => controller.abort(new LockstepError("TIMEOUT", `no answer within ${ms} ms`, { ms })),
    ms,
  );
  try {
    return await Promise.race([work(controller.signal), stopped]);
  } finally {
    clearTimeout(timer);
    reply.raw.off("close", gone);
  }
}
