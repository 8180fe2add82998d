/**
 * The HTTP server: Fastify with our guards in front of the routes and our errors behind them. The life of a request:
 * security headers → ours by Host and Origin → rate limit → draining? → route (parse, hand over, answer) → metrics.
 */
import Fastify, { type FastifyError, type FastifyInstance } from "fastify";
import { LockstepError, parseOptions, systemClock, type Clock } from "../../base/index.ts";
import type { HttpDeps } from "./contract.ts";
import { refuseConnection, sendError, toResponseError } from "./errors.ts";
import { checkOrigin, setSecurityHeaders } from "./guard.ts";
import { loadKey } from "./key.ts";
import { RateLimiter } from "./limit.ts";
import { listen } from "./listen.ts";
import { Metrics } from "./metrics.ts";
import { httpOptions, type HttpOptions } from "./options.ts";
import { addPage } from "./page.ts";
import { addRoutes } from "./routes.ts";
import { EventStreams } from "./streams.ts";

export interface HttpServer {
  /** As a browser reaches it: `http://127.0.0.1:7070`. */
  readonly url: string;
  readonly port: number;
  /** Refuses new requests, waits for those under way (at most `drainMs`), then closes every connection. Idempotent. */
  close(): Promise<void>;
}

export interface HttpHooks {
  /** Gets failures that the client was not told about. */
  readonly onError?: (error: LockstepError) => void;
  readonly clock?: Clock;
}

const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
const KEPT_ALIVE_WHILE_DRAINING = new Set(["/healthz", "/readyz", "/metrics"]);

/** Starts listening. Throws OPTION_INVALID or PORT_IN_USE. */
export async function createHttpServer(
  deps: HttpDeps,
  options: HttpOptions = {},
  hooks: HttpHooks = {},
): Promise<HttpServer> {
  const resolved = parseOptions(httpOptions, options, "the HTTP server's options");
  const clock = hooks.clock ?? systemClock;
  const key = resolved.keyFile === undefined ? undefined : await loadKey(resolved.keyFile);
  const streams = new EventStreams(resolved.maxStreams);
  const metrics = new Metrics(
    () => streams.size,
    () => deps.metrics?.() ?? [],
  );
  const life = { port: 0, draining: false, underWay: 0, onIdle: (): void => {} };

  const app = createApp(resolved.bodyLimit, resolved.requestTimeoutMs, hooks.onError ?? (() => {}));
  app.server.maxConnections = resolved.maxConnections;
  app.server.headersTimeout = Math.min(HEADERS_TIMEOUT_MS, resolved.requestTimeoutMs);
  app.server.keepAliveTimeout = KEEP_ALIVE_MS;

  const limiter = new RateLimiter(resolved.rateLimit, clock);
  app.addHook("onRequest", async (request, reply) => {
    const started = clock.elapsed();
    life.underWay += 1;
    reply.raw.once("close", () => {
      life.underWay -= 1;
      metrics.request(
        request.routeOptions.url ?? "none",
        request.method,
        reply.raw.statusCode,
        (clock.elapsed() - started) / 1000,
      );
      if (life.underWay === 0) life.onIdle();
    });
    setSecurityHeaders(reply.raw);
    checkOrigin(request.headers, life.port, resolved.allowedHosts);
    limiter.take(request.ip);
    if (life.draining && !KEPT_ALIVE_WHILE_DRAINING.has(request.url)) {
      reply.header("connection", "close");
      throw new LockstepError("SHUTTING_DOWN", "this server is closing");
    }
  });
  addPage(app);
  addRoutes(app, {
    deps,
    metrics,
    streams,
    key,
    requestTimeoutMs: resolved.requestTimeoutMs,
    isDraining: () => life.draining,
  });

  const unsubscribe = deps.subscribe((status) => streams.publish(status));
  try {
    life.port = await listen(app, resolved);
  } catch (error) {
    unsubscribe();
    streams.close();
    throw error;
  }

  const drain = async (): Promise<void> => {
    life.draining = true;
    unsubscribe();
    streams.close();
    if (life.underWay > 0) {
      const idle = new Promise<void>((resolve) => {
        life.onIdle = resolve;
      });
      const enough = new AbortController();
      // Rejects only by the abort below.
      await Promise.race([idle, clock.sleep(resolved.drainMs, enough.signal).catch(() => {})]);
      enough.abort();
    }
    await app.close();
  };
  let closing: Promise<void> | undefined;
  const name = resolved.host.includes(":") ? `[${resolved.host}]` : resolved.host;
  return { url: `http://${name}:${life.port}`, port: life.port, close: () => (closing ??= drain()) };
}

/** A Fastify that reads JSON in UTF-8 and nothing else, and says every error in our shape. */
function createApp(bodyLimit: number, requestTimeout: number, report: (error: LockstepError) => void): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit,
    requestTimeout,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 256 },
    clientErrorHandler: refuseConnection,
    // An address that cannot be decoded never reaches a hook.
    frameworkErrors: (error, _request, reply) => {
      setSecurityHeaders(reply.raw);
      sendError(reply, toResponseError(error, report));
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => {
    try {
      done(null, parseJson(body as Buffer));
    } catch (error) {
      done(error as FastifyError);
    }
  });
  app.setErrorHandler((error, _request, reply) => sendError(reply, toResponseError(error, report)));
  app.setNotFoundHandler((request, reply) =>
    sendError(
      reply,
      new LockstepError(
        "NOT_FOUND",
        `there is no ${request.method} ${request.url.split("?")[0]!.slice(0, 100)} here; /openapi.json lists ` +
          "the routes",
      ),
    ),
  );
  return app;
}

function parseJson(body: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch (error) {
    throw new LockstepError("INPUT_INVALID", "the request's body is not valid UTF-8", {}, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LockstepError(
      "INPUT_INVALID",
      `the request's body is not JSON: ${(error as Error).message}`,
      {},
      { cause: error },
    );
  }
}
