/**
 * The HTTP server: Fastify with our guards in front of the routes and our errors behind them. The life of a request:
 * security headers → ours by Host and Origin → a probe? else connections, rate, draining, encoding, room for its body →
 * route (parse, hand over, answer) → metrics.
 */
import type { IncomingHttpHeaders } from "node:http";
import Fastify, { type FastifyError, type FastifyInstance } from "fastify";
import { LockstepError, parseOptions, parseStrictJson, systemClock, type Clock } from "../../base/index.ts";
import { Allowed } from "./allow.ts";
import type { HttpDeps } from "./contract.ts";
import {
  refuseConnection,
  refuseExpectation,
  refuseResponse,
  refuseTunnel,
  sendError,
  toResponseError,
} from "./errors.ts";
import { authorityName, checkEncoding, checkOrigin, reachableHost, setSecurityHeaders } from "./guard.ts";
import { loadKey } from "./key.ts";
import { RateLimiter } from "./limit.ts";
import { listen } from "./listen.ts";
import { Metrics } from "./metrics.ts";
import { httpOptions, type HttpOptions } from "./options.ts";
import { addPage } from "./page.ts";
import { BodyPlaces, Connections } from "./places.ts";
import { addRoutes } from "./routes.ts";
import { EventStreams } from "./streams.ts";
import { UnderWay } from "./under-way.ts";

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
/** How often connections are looked at for these limits: one that is late is ended within so much more. */
const CHECK_MS = 1_000;
/** No limit and no closing keeps an orchestrator from asking these. */
const PROBES: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);
const ANSWERED_WHILE_DRAINING: ReadonlySet<string> = new Set([...PROBES, "/metrics"]);

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
  const life = { port: 0, draining: false };
  const underWay = new UnderWay();

  const app = createApp(resolved.bodyLimit, resolved.requestTimeoutMs, hooks.onError ?? (() => {}));
  app.server.headersTimeout = Math.min(HEADERS_TIMEOUT_MS, resolved.requestTimeoutMs);
  app.server.keepAliveTimeout = KEEP_ALIVE_MS;

  const limiter = new RateLimiter(resolved.rateLimit, clock);
  const connections = new Connections(resolved.maxConnections, resolved.maxConnectionsPerAddress);
  app.server.on("connection", (socket) => connections.add(socket));
  const bodies = new BodyPlaces(resolved.bodyMemory);
  app.addHook("onRequest", async (request, reply) => {
    const started = clock.elapsed();
    underWay.add(request.raw, reply.raw, () =>
      metrics.request(
        request.routeOptions.url ?? "none",
        request.method,
        reply.raw.statusCode,
        (clock.elapsed() - started) / 1000,
      ),
    );
    setSecurityHeaders(reply.raw);
    const { host, allowedHosts } = resolved;
    checkOrigin(request.raw, { host, port: life.port, allowedHosts });
    const path = pathOf(request.url);
    if (PROBES.has(path)) return;
    connections.admit(request.raw.socket);
    limiter.take(request.ip);
    if (life.draining && !ANSWERED_WHILE_DRAINING.has(path))
      throw new LockstepError("SHUTTING_DOWN", "this server is closing");
    checkEncoding(request.headers);
    reply.raw.once("close", bodies.take(request.ip, announcedBytes(request.headers, resolved.bodyLimit)));
  });
  app.addHook("onSend", async (request, reply) => {
    // What is left of a body that nobody waits for would be taken for the next request.
    const halfSent = !request.raw.complete && announcedBytes(request.headers, 1) > 0;
    if (life.draining || halfSent || connections.isReserve(request.raw.socket)) reply.header("connection", "close");
  });
  addPage(app);
  addRoutes(app, {
    deps,
    metrics,
    streams,
    key,
    requestTimeoutMs: resolved.requestTimeoutMs,
    underWay,
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
    await underWay.drained(resolved.drainMs, clock, (response) =>
      refuseResponse(response, 503, new LockstepError("SHUTTING_DOWN", "this server is closing")),
    );
    await app.close();
  };
  let closing: Promise<void> | undefined;
  const name = authorityName(reachableHost(resolved.host));
  return { url: `http://${name}:${life.port}`, port: life.port, close: () => (closing ??= drain()) };
}

function pathOf(url: string): string {
  return url.split("?")[0]!;
}

/** Bytes of the body that its headers announce; of one that does not say, the most that it may have. */
function announcedBytes(headers: IncomingHttpHeaders, limit: number): number {
  if (headers["transfer-encoding"] !== undefined) return limit;
  return Math.min(limit, Number(headers["content-length"] ?? 0));
}

/** A Fastify that reads JSON in UTF-8 and nothing else, and says every error in our shape. */
function createApp(bodyLimit: number, requestTimeout: number, report: (error: LockstepError) => void): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit,
    requestTimeout,
    // A missing Host is refused in our shape, by our guard.
    http: { requireHostHeader: false, connectionsCheckingInterval: CHECK_MS },
    exposeHeadRoutes: true,
    forceCloseConnections: true,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 256 },
    clientErrorHandler: refuseConnection,
    // An address that cannot be decoded never reaches a hook.
    frameworkErrors: (error, _request, reply) => {
      setSecurityHeaders(reply.raw);
      sendError(reply, toResponseError(error, report));
    },
  });
  app.server.on("checkExpectation", refuseExpectation);
  app.server.on("connect", refuseTunnel);
  const allowed = new Allowed(app);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => {
    try {
      done(null, parseJson(body as Buffer));
    } catch (error) {
      done(error as FastifyError);
    }
  });
  app.setErrorHandler((error, _request, reply) => sendError(reply, toResponseError(error, report)));
  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request.url);
    const allow = allowed.methods(path).join(", ");
    const shown = path.slice(0, 100);
    if (allow === "")
      return sendError(
        reply,
        new LockstepError("NOT_FOUND", `there is no ${request.method} ${shown} here; /openapi.json lists the routes`),
      );
    const message = `${shown} takes ${allow}, not ${request.method}`;
    return sendError(reply.header("allow", allow), new LockstepError("METHOD_NOT_ALLOWED", message, { allow }));
  });
  return app;
}

function parseJson(body: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch (error) {
    throw new LockstepError("INPUT_INVALID", "the request's body is not valid UTF-8", {}, { cause: error });
  }
  return parseStrictJson(text, { what: "the request's body" });
}
