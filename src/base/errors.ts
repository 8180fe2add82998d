/**
 * Every error that Lockstep throws on purpose, in one table: its HTTP status, whether trying again can help, and the
 * exit code of a command that ends with it. Errors are recognised by brand, not by `instanceof`, because two copies of
 * the package may be loaded; across threads they are encoded, because structured clone drops class, name and code.
 */

/**
 * `http`: status of a response; `retry`: whether the same call may succeed later; `exit`: 2 refused before work began,
 * 1 the work failed, 3 it found nothing wrong and did not go through everything.
 */
export const ERROR_TABLE = {
  INTERNAL: { http: 500, retry: false, exit: 1 },
  CANCELLED: { http: 499, retry: true, exit: 130 },
  TIMEOUT: { http: 504, retry: true, exit: 1 },
  OPTION_INVALID: { http: 400, retry: false, exit: 2 },
  INPUT_INVALID: { http: 400, retry: false, exit: 2 },
  INPUT_TOO_LARGE: { http: 413, retry: false, exit: 2 },
  UNSUPPORTED_MEDIA_TYPE: { http: 415, retry: false, exit: 2 },
  CONFLICT: { http: 409, retry: true, exit: 1 },
  METHOD_NOT_ALLOWED: { http: 405, retry: false, exit: 2 },
  NOT_FOUND: { http: 404, retry: false, exit: 2 },
  FORBIDDEN: { http: 403, retry: false, exit: 2 },
  UNAUTHORIZED: { http: 401, retry: false, exit: 2 },
  RATE_LIMITED: { http: 429, retry: true, exit: 1 },
  OVERLOADED: { http: 503, retry: true, exit: 1 },
  SHUTTING_DOWN: { http: 503, retry: true, exit: 1 },
  DATA_INVALID: { http: 400, retry: false, exit: 2 },
  MODEL_INVALID: { http: 422, retry: false, exit: 2 },
  WEIGHTS_INVALID: { http: 422, retry: false, exit: 2 },
  TOKENIZER_INVALID: { http: 422, retry: false, exit: 2 },
  VERSION_CORRUPT: { http: 500, retry: false, exit: 1 },
  STORE_CORRUPT: { http: 500, retry: false, exit: 1 },
  CHECKPOINT_INVALID: { http: 500, retry: false, exit: 1 },
  DISK_FAILED: { http: 507, retry: true, exit: 1 },
  SERVER_UNREACHABLE: { http: 502, retry: true, exit: 1 },
  PORT_IN_USE: { http: 500, retry: true, exit: 2 },
  RUNTIME_MISSING: { http: 500, retry: false, exit: 2 },
  RUNTIME_FAILED: { http: 500, retry: false, exit: 1 },
  NUMERICS_UNTRUSTED: { http: 500, retry: false, exit: 1 },
  CALLBACK_FAILED: { http: 500, retry: false, exit: 1 },
  NON_FINITE: { http: 500, retry: false, exit: 1 },
  GRAPH_INVALID: { http: 500, retry: false, exit: 1 },
  WORKER_DIED: { http: 500, retry: true, exit: 1 },
  OWNER_DIED: { http: 500, retry: true, exit: 1 },
  DEADLOCK: { http: 500, retry: false, exit: 1 },
  LOCK_ORDER: { http: 500, retry: false, exit: 1 },
  LOG_CORRUPT: { http: 500, retry: false, exit: 1 },
  REPLAY_MISMATCH: { http: 500, retry: false, exit: 1 },
  CHECK_FAILED: { http: 500, retry: false, exit: 1 },
  NOT_COMPLETE: { http: 500, retry: false, exit: 3 },
} as const satisfies Record<string, { http: number; retry: boolean; exit: number }>;

export type ErrorCode = keyof typeof ERROR_TABLE;
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null | readonly (string | number)[]>>;

const BRAND = Symbol.for("lockstep.error");

/** `message` says what was wrong, where, and what to do; `details` holds the same as fields. */
export class LockstepError extends Error {
  override readonly name = "LockstepError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly [BRAND] = true;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }

  get httpStatus(): number {
    return ERROR_TABLE[this.code].http;
  }
  get retryable(): boolean {
    return ERROR_TABLE[this.code].retry;
  }
  get exitCode(): number {
    return ERROR_TABLE[this.code].exit;
  }
}

export function isLockstepError(value: unknown): value is LockstepError {
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
}

/** Any thrown value as a LockstepError; what was not ours becomes INTERNAL with the original as its cause. */
export function toLockstepError(thrown: unknown): LockstepError {
  if (isLockstepError(thrown)) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new LockstepError("INTERNAL", message, {}, { cause: thrown });
}

/** The form of an error that survives `postMessage`. */
export interface EncodedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
  readonly stack: string | undefined;
}

export function encodeError(thrown: unknown): EncodedError {
  const error = toLockstepError(thrown);
  return {
    code: error.code,
    message: error.message,
    details: error.details,
    stack: error.cause instanceof Error ? error.cause.stack : error.stack,
  };
}

export function decodeError(encoded: EncodedError): LockstepError {
  const error = new LockstepError(encoded.code, encoded.message, encoded.details);
  if (encoded.stack !== undefined) error.stack = encoded.stack;
  return error;
}

/** Throws INTERNAL when a condition that the code itself guarantees does not hold. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new LockstepError("INTERNAL", `invariant violated: ${message}`);
}
