/**
 * Every failure as one response shape, `{error: {code, message, details, retryable}}`, with the status of the error
 * table. What was not thrown on purpose is reported to the owner and said to the client without its words.
 */
import type { Socket } from "node:net";
import type { FastifyError, FastifyReply } from "fastify";
import { LockstepError, isLockstepError, toLockstepError } from "../../base/index.ts";

const RETRY_AFTER_SECONDS = 1;

export interface ErrorBody {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly details: Readonly<Record<string, unknown>>;
    readonly retryable: boolean;
  };
}

export function errorBody(error: LockstepError): ErrorBody {
  return { error: { code: error.code, message: error.message, details: error.details, retryable: error.retryable } };
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
  const [line, refusal] =
    error.code === "ERR_HTTP_REQUEST_TIMEOUT"
      ? ["408 Request Timeout", new LockstepError("TIMEOUT", "the request did not arrive in time")]
      : error.code === "HPE_HEADER_OVERFLOW"
        ? [
            "431 Request Header Fields Too Large",
            new LockstepError("INPUT_TOO_LARGE", "the request's headers are larger than this server takes"),
          ]
        : ["400 Bad Request", new LockstepError("INPUT_INVALID", "this is not an HTTP/1.1 request")];
  const body = JSON.stringify(errorBody(refusal));
  socket.end(
    `HTTP/1.1 ${line}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ` +
      `${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
