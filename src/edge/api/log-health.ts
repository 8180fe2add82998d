/**
 * Whether receipts can be written, which decides whether questions can be answered. After an append that failed, the
 * log is tried until it takes something again: a server that says that it is not ready is asked nothing, so no question
 * would ever find out.
 */
import {
  isLockstepError,
  systemClock,
  toLockstepError,
  type Clock,
  type ErrorCode,
  type LockstepError,
} from "../../base/index.ts";
import type { AuditLog, Receipt, ReceiptInput } from "../../work/audit/index.ts";

/** Failures of one request, or of a moment: they say nothing of the log. */
const NOT_THE_LOG: ReadonlySet<ErrorCode> = new Set(["INPUT_INVALID", "OVERLOADED", "SHUTTING_DOWN"]);
/** Milliseconds between two tries. */
const TRY_EVERY = 500;

export class LogHealth {
  readonly #log: Pick<AuditLog, "append" | "check">;
  readonly #clock: Clock;
  #failure: LockstepError | undefined;
  #triedAt = -Infinity;

  constructor(log: Pick<AuditLog, "append" | "check">, clock: Clock = systemClock) {
    this.#log = log;
    this.#clock = clock;
  }

  async append(input: ReceiptInput): Promise<Receipt> {
    try {
      const receipt = await this.#log.append(input);
      this.#failure = undefined;
      return receipt;
    } catch (error) {
      if (!isLockstepError(error) || !NOT_THE_LOG.has(error.code)) this.#failure = toLockstepError(error);
      throw error;
    }
  }

  /**
   * Why receipts cannot be written, as of the last append or try; undefined: they can. Where that failed, another try
   * begins, and the next call hears of it.
   */
  failure(): LockstepError | undefined {
    const now = this.#clock.elapsed();
    if (this.#failure !== undefined && now - this.#triedAt >= TRY_EVERY) {
      this.#triedAt = now;
      this.#log.check().then(
        () => {
          this.#failure = undefined;
        },
        (error: unknown) => {
          this.#failure = toLockstepError(error);
        },
      );
    }
    return this.#failure;
  }
}
