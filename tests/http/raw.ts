/** Requests over real sockets, with any header: `fetch` neither sends a foreign Host nor half a request. */
import { request, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { createHttpServer, type HttpHooks, type HttpOptions, type HttpServer } from "../../src/edge/http/index.ts";
import { FakeDeps } from "./fake.ts";

export interface Response {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: unknown;
}

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

export async function ask(
  port: number,
  { method = "GET", path = "/healthz", headers = {}, body }: Ask = {},
): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const outgoing = request({ host: "127.0.0.1", port, method, path, headers, agent: false }, (incoming) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("error", reject);
    incoming.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const isJson = text !== "" && incoming.headers["content-type"]?.startsWith("application/json") === true;
      resolve({
        status: incoming.statusCode!,
        headers: incoming.headers,
        text,
        json: isJson ? JSON.parse(text) : undefined,
      });
    });
  });
  outgoing.on("error", reject);
  outgoing.end(body);
  return await promise;
}

export function post(
  port: number,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  const sent = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return ask(port, { method: "POST", path, headers: { "content-type": "application/json", ...headers }, body: sent });
}

export const classify = (port: number, body: unknown, headers?: Record<string, string>): Promise<Response> =>
  post(port, "/v1/classify", body, headers);

/** Everything that comes back for these bytes until the server closes. */
export async function sendBytes(port: number, bytes: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString();
  });
  socket.on("close", () => resolve(text));
  socket.on("error", reject);
  return await promise;
}

export function errorCode(response: Response): string {
  return (response.json as { error: { code: string } }).error.code;
}

/** Runs `body` with a server on a free port, and closes it whatever happens. */
export async function withServer(
  body: (server: HttpServer, deps: FakeDeps) => Promise<void>,
  options: HttpOptions = {},
  hooks: HttpHooks = {},
  deps = new FakeDeps(),
): Promise<void> {
  const server = await createHttpServer(deps, { port: 0, drainMs: 1000, ...options }, hooks);
  try {
    await body(server, deps);
  } finally {
    await server.close();
  }
}
