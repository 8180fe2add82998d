/**
 * An open audit log. Receipts are appended by one writer's thread, in groups: while one group is being written, the
 * next gathers, so the disk's sync is shared by all who wait for it. An answer leaves after `append` has resolved.
 */
import { z } from "zod";
import { LockstepError, parseOptions, systemClock, type Clock } from "../../base/index.ts";
import type { ErasureResult, ListQuery, LogStatus } from "./messages.ts";
import { prepareReceipt, type PreparedReceipt, type Receipt, type ReceiptInput } from "./receipt.ts";
import { WriterKeeper } from "./writer-keeper.ts";
import { WriterThread } from "./writer-thread.ts";

const MAX_GROUP = 512;

const optionsSchema = z.strictObject({
  keyPath: z.string().min(1).optional(),
  signEvery: z.int().min(1).default(100),
  keptHeads: z.string().min(1).optional(),
  queueLimit: z.int().min(1).default(10_000),
  clock: z.custom<Clock>().default(systemClock),
});

export interface AuditLogOptions {
  /** The private signing key, outside the log; made (mode 0600) when there is none. @default the log is not signed */
  readonly keyPath?: string;
  /**
   * Every group of receipts is signed as it is written; of the signed heads, one for every so many receipts is kept in
   * the log, and written to the head file beside it. @default 100
   */
  readonly signEvery?: number;
  /**
   * Folder where the newest head of each log is kept, outside the logs: a log that has lost something since is refused.
   * @default kept nowhere
   */
  readonly keptHeads?: string;
  /** Receipts that may wait to be written; one more is OVERLOADED. @default 10000 */
  readonly queueLimit?: number;
  /** Stamps erasures, and paces the tries to replace a writer that died. @default systemClock */
  readonly clock?: Clock;
}

interface Waiting {
  readonly prepared: PreparedReceipt;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Opens or creates the log at `path`, and verifies all of it. LOG_CORRUPT when it is not what was signed and kept,
 * FORBIDDEN when another key signed it.
 */
export async function openAuditLog(path: string, options: AuditLogOptions = {}): Promise<AuditLog> {
  const { keyPath, signEvery, keptHeads, queueLimit, clock } = parseOptions(
    optionsSchema,
    options,
    "the options of openAuditLog",
  );
  const { keeper, status } = await WriterKeeper.open(
    path,
    (known) => new WriterThread({ path, keyPath, signEvery, keptHeads, known }),
    clock,
  );
  return new AuditLog(path, keeper, status, queueLimit, clock);
}

export class AuditLog implements AsyncDisposable {
  readonly path: string;
  /** SPKI, DER, base64; undefined when the log is not signed. */
  readonly publicKey: string | undefined;
  /** What whoever runs it should be told, such as that another log lay here before. */
  readonly notices: readonly string[];
  readonly #writer: WriterKeeper;
  readonly #queueLimit: number;
  readonly #clock: Clock;
  #count: number;
  #head: string;
  #waiting: Waiting[] = [];
  #writing = 0;
  #idle = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(path: string, writer: WriterKeeper, status: LogStatus, queueLimit: number, clock: Clock) {
    this.path = path;
    this.publicKey = status.publicKey;
    this.notices = status.notices;
    this.#writer = writer;
    this.#queueLimit = queueLimit;
    this.#clock = clock;
    this.#count = status.count;
    this.#head = status.head;
  }

  /** Receipts in the log, as of this process's last write. */
  get count(): number {
    return this.#count;
  }

  /** Hash of the last receipt, as of this process's last write. */
  get head(): string {
    return this.#head;
  }

  /**
   * Resolves once the receipt is on the disk. OVERLOADED when too many wait; INPUT_INVALID, DISK_FAILED: it was not
   * written. WORKER_DIED: the writer ended and is being replaced; whether it was written is not known.
   */
  async append(input: ReceiptInput): Promise<Receipt> {
    if (this.#closed !== undefined) throw new LockstepError("SHUTTING_DOWN", `the audit log ${this.path} is closed`);
    const prepared = prepareReceipt(input);
    if (this.#waiting.length + this.#writing >= this.#queueLimit) {
      throw new LockstepError(
        "OVERLOADED",
        `${this.#queueLimit} receipts wait to be written to ${this.path}; try again later`,
        { queueLimit: this.#queueLimit },
      );
    }
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ prepared, resolve, reject });
      if (this.#writing === 0) this.#idle = this.#writeAll();
    });
  }

  /** Resolves when the disk takes a write now; rejects with what `append` would reject with. */
  async check(): Promise<void> {
    await this.#writer.call({ kind: "check" });
  }

  /** By its hash, or the latest with this request id. */
  async get(id: string): Promise<Receipt | undefined> {
    return await this.#writer.call({ kind: "get", receipt: id });
  }

  /** @default the first 100 */
  async list(query: Partial<ListQuery> = {}): Promise<readonly Receipt[]> {
    return await this.#writer.call({
      kind: "list",
      query: { from: query.from ?? 0, limit: query.limit ?? 100, newestFirst: query.newestFirst ?? false },
    });
  }

  /**
   * Whether a receipt that is not erased refers to this version: then the version's files must stay, or the receipt
   * cannot be replayed.
   */
  async refersTo(version: string): Promise<boolean> {
    return await this.#writer.call({ kind: "refersTo", version });
  }

  /**
   * Erases text, summary and salt of the receipts with this hash or request id; a receipt of its own says so, and the
   * chain still verifies. NOT_FOUND when there is none (left).
   */
  async erase(id: string): Promise<ErasureResult> {
    const at = new Date(this.#clock.now()).toISOString();
    const result = await this.#writer.call({ kind: "erase", receipt: id, at });
    if (result.erased.length === 0)
      throw new LockstepError(
        "NOT_FOUND",
        `no receipt with the id ${JSON.stringify(id.slice(0, 80))} has a text to erase in ${this.path}`,
      );
    return result;
  }

  /** Writes what waits and closes the file. Can be called again. */
  async close(): Promise<void> {
    this.#closed ??= this.#finish();
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #finish(): Promise<void> {
    await this.#idle;
    await this.#writer.close();
  }

  /** Never rejects: each group's failure goes to those who wait for it. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MAX_GROUP);
      this.#writing = group.length;
      try {
        const receipts = await this.#writer.call({ kind: "append", inputs: group.map(({ prepared }) => prepared) });
        this.#settle(group, receipts);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#writing = 0;
  }

  #settle(group: readonly Waiting[], receipts: readonly Receipt[]): void {
    receipts.forEach((receipt, i) => {
      this.#count = receipt.index + 1;
      this.#head = receipt.hash;
      group[i]?.resolve(receipt);
    });
  }
}
