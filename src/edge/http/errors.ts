/**
 * Every failure as one response shape, `{error: {code, message, details, retryable}}`, with the status of the error
 * table. What was not thrown on purpose is reported to the owner and said to the client without its words.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { FastifyError, FastifyReply } from "fastify";
import { LockstepError, isLockstepError, toLockstepError } from "../../base/index.ts";
import { SECURITY_HEADERS, setSecurityHeaders } from "./guard.ts";

const RETRY_AFTER_SECONDS = 1;
/** Characters of a message, and of each text among its details: an answer is never as long as what it refuses. */
const MOST_SAID = 2_000;
const MOST_DETAIL = 300;

export interface ErrorBody {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly details: Readonly<Record<string, unknown>>;
    readonly retryable: boolean;
  };
}

export function errorBody(error: LockstepError): ErrorBody {
  const { code, message, details, retryable } = error;
  const short = Object.entries(details).map(([name, value]) => [
    name,
    typeof value === "string" ? cut(value, MOST_DETAIL) : value,
  ]);
  return {
    error: {
      code,
      message: cut(message, MOST_SAID),
      details: Object.fromEntries(short) as ErrorBody["error"]["details"],
      retryable,
    },
  };
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** Sends `error`; those that say "not now" (429, 503) also say when. */
export function sendError(reply: FastifyReply, error: LockstepError): FastifyReply {
  const status = error.httpStatus;
  if (status === 429 || status === 503)
    reply.header("retry-after", String(error.details["retryAfterSeconds"] ?? RETRY_AFTER_SECONDS));
  if (status === 401) reply.header("www-authenticate", "Bearer");
  return reply.code(status).send(errorBody(error));
}

/** Fastify's own refusals by what they mean here; undefined for what is no refusal of a request. */
function fromFastify(error: FastifyError): LockstepError | undefined {
  const status = error.statusCode ?? 500;
  if (status === 413)
    return new LockstepError("INPUT_TOO_LARGE", "the request's body is larger than this server takes");
  if (status === 415)
    return new LockstepError(
      "UNSUPPORTED_MEDIA_TYPE",
      "this server reads JSON only: send content-type application/json",
    );
  if (status >= 400 && status < 500) return new LockstepError("INPUT_INVALID", error.message);
  return undefined;
}

/** What to answer to anything thrown while a request was handled. `report` gets what the client is not told. */
export function toResponseError(thrown: unknown, report: (error: LockstepError) => void): LockstepError {
  if (!isLockstepError(thrown)) {
    const refusal = thrown instanceof Error && "statusCode" in thrown ? fromFastify(thrown as FastifyError) : undefined;
    if (refusal !== undefined) return refusal;
  }
  const error = toLockstepError(thrown);
  if (error.httpStatus >= 500 && error.httpStatus !== 503) report(error);
  return error.code === "INTERNAL" ? new LockstepError("INTERNAL", "the server failed; its own log says why") : error;
}

/** Answers what is not even HTTP, where there is no reply object. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const [line, refusal] = REFUSALS[error.code ?? ""] ?? REFUSALS["other"]!;
  writeRefusal(socket, line, new LockstepError(...refusal));
}

type Refusal = readonly [line: string, error: readonly ["TIMEOUT" | "INPUT_TOO_LARGE" | "INPUT_INVALID", string]];

const REFUSALS: Readonly<Record<string, Refusal>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", ["TIMEOUT", "the request did not arrive in time"]],
  HPE_HEADER_OVERFLOW: [
    "431 Request Header Fields Too Large",
    ["INPUT_TOO_LARGE", "the request's headers are larger than this server takes"],
  ],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [
    "413 Payload Too Large",
    ["INPUT_TOO_LARGE", "the request's chunk extensions are larger than this server takes"],
  ],
  other: ["400 Bad Request", ["INPUT_INVALID", "this is not an HTTP/1.1 request"]],
};

/** CONNECT asks for a tunnel, which has no reply object either. */
export function refuseTunnel(_request: unknown, socket: { end(text: string): unknown }): void {
  const error = new LockstepError("METHOD_NOT_ALLOWED", "this server makes no tunnels");
  writeRefusal(socket, "405 Method Not Allowed", error, "allow: GET, HEAD, POST\r\n");
}

function writeRefusal(socket: { end(text: string): unknown }, line: string, error: LockstepError, more = ""): void {
  const body = JSON.stringify(errorBody(error));
  const headers = Object.entries(SECURITY_HEADERS).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(
    `HTTP/1.1 ${line}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ` +
      `${Buffer.byteLength(body)}\r\nconnection: close\r\n${more}${headers.join("")}\r\n${body}`,
  );
}

/** Answers a request that no route sees, or whose route can no longer answer, and closes its connection. */
export function refuseResponse(response: ServerResponse, status: number, error: LockstepError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  setSecurityHeaders(response);
  const body = JSON.stringify(errorBody(error));
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
}

/** An `Expect` header with anything but 100-continue. */
export function refuseExpectation(_request: unknown, response: ServerResponse): void {
  const message = "this server meets no expectation but 100-continue: leave the Expect header out";
  refuseResponse(response, 417, new LockstepError("INPUT_INVALID", message));
}
