/**
 * The one judge of a chain, used for logs and exports alike: receipts go in one by one, then the signed heads; the
 * first thing wrong is kept.
 */
import { erasureOf } from "./erasure.ts";
import { commitTo, GENESIS, receiptHash, type Receipt } from "./receipt.ts";
import { normalizeKey, signedFormat, type LogFormat, type SignedHead } from "./signing.ts";

export type ProblemKind =
  | "unreadable"
  | "receipt-damaged"
  | "receipt-missing"
  | "chain-broken"
  | "receipt-changed"
  | "text-changed"
  | "erasure-wrong"
  | "end-missing"
  | "end-not-signed"
  | "head-changed"
  | "head-missing"
  | "signature-wrong"
  | "key-wrong"
  | "not-signed"
  | "format-changed"
  | "kept-head"
  | "export-changed";

export interface Problem {
  readonly kind: ProblemKind;
  /** Of the receipt concerned, where there is one. */
  readonly index?: number;
  readonly message: string;
}

export interface VerifyOptions {
  /**
   * The key that must have signed (PEM, or SPKI DER in base64), kept by whoever verifies. Without it, the key that the
   * log itself names is believed.
   */
  readonly publicKey?: string;
  /** A head noted earlier: the chain must still contain it. */
  readonly expectedHead?: string;
  /** Receipts known to have been written. */
  readonly minCount?: number;
  /** The folder where the newest head of each log is kept, outside the logs: what it says of this one must hold. */
  readonly keptHeads?: string;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly format: LogFormat;
  readonly count: number;
  readonly head: string;
  /** Receipts whose text was erased. */
  readonly erased: number;
  /** Receipts covered by the newest valid signature; 0 for an unsigned log. */
  readonly signed: number;
  /** Whose signature that is: a key given by the verifier, or only one that the log names itself. */
  readonly signedBy: "given-key" | "key-in-log" | "nobody";
  /** The key of that signature (SPKI, DER, base64). */
  readonly key: string | null;
  /** Receipts covered by the head that was kept outside the log; null: none was, or it was not asked for. */
  readonly kept: number | null;
  /** What being `ok` means here, in a sentence. */
  readonly claim: string;
  readonly problem?: Problem;
}

interface ErasedRow {
  readonly hash: string;
  readonly at: string;
  readonly erasedAt: string;
}

export class ChainChecker {
  readonly #options: VerifyOptions;
  readonly #givenKey: string | undefined;
  readonly #start: { readonly count: number; readonly head: string };
  #count: number;
  #head: string;
  #first: string | undefined;
  #erased = 0;
  #signed = 0;
  #key: string | null = null;
  #kept: number | null = null;
  #format: LogFormat = 1;
  #problem: Problem | undefined;
  /** Hashes that a signed head or the verifier may ask for; all of them, 64 bytes a receipt. */
  readonly #hashes: string[] = [];
  /** Erased receipts that no erasure has named so far. */
  readonly #unnamed = new Map<number, ErasedRow>();

  /** `start`: what is known to be right already, and is not given again; then erasures before it are not compared. */
  constructor(options: VerifyOptions, start: { readonly count: number; readonly head: string } = NOTHING) {
    this.#options = options;
    this.#givenKey = options.publicKey === undefined ? undefined : normalizeKey(options.publicKey);
    this.#start = start;
    this.#count = start.count;
    this.#head = start.head;
  }

  get failed(): boolean {
    return this.#problem !== undefined;
  }

  get count(): number {
    return this.#count;
  }

  /** Hash of the first receipt, which says which log it is. */
  get first(): string | undefined {
    return this.#first;
  }

  get format(): LogFormat {
    return this.#format;
  }

  /** Hash of the receipt after which there were `count`. */
  hashAfter(count: number): string | undefined {
    return count === this.#start.count ? this.#start.head : this.#hashes[count - 1 - this.#start.count];
  }

  fail(kind: ProblemKind, message: string, index?: number): void {
    this.#problem ??= { kind, message, ...(index === undefined ? {} : { index }) };
  }

  /** What the file itself says that it is. */
  setFormat(format: LogFormat): void {
    this.#format = format;
  }

  /** The head kept outside the log covers so many receipts, and the chain has it. */
  setKept(count: number): void {
    this.#kept = count;
  }

  add(receipt: Receipt | undefined): void {
    const index = this.#count;
    if (receipt === undefined)
      return this.fail("receipt-damaged", `receipt ${index} has not the form of a receipt`, index);
    if (receipt.index !== index)
      return this.fail("receipt-missing", `receipt ${index} is missing: ${receipt.index} comes in its place`, index);
    if (receipt.previous !== this.#head)
      return this.fail("chain-broken", `receipt ${index} does not follow the one before it`, index);
    if (receiptHash(receipt) !== receipt.hash)
      return this.fail("receipt-changed", `receipt ${index} is not what was hashed`, index);
    this.#checkText(receipt);
    if (receipt.kind === "erasure" && this.#start.count === 0) this.#checkErasure(receipt);
    this.#hashes.push(receipt.hash);
    this.#first ??= receipt.hash;
    this.#head = receipt.hash;
    this.#count++;
  }

  /** The signed heads, oldest first. `headFile`: the one beside the log, which the log must not fall behind. */
  addHeads(heads: readonly SignedHead[], headFile?: SignedHead): void {
    const formats = (headFile === undefined ? heads : [...heads, headFile]).map((head) => this.#checkHead(head));
    const last = heads.at(-1);
    this.#signed = last?.count ?? 0;
    this.#key = last?.key ?? null;
    if (headFile !== undefined && headFile.count > this.#signed)
      this.fail("head-missing", `the signed head over ${headFile.count} receipts is not in the log`);
    if (formats.includes(2) && this.#format === 1)
      this.fail("format-changed", "the log says that it is of format 1, but its heads were signed as of format 2");
    if (last === undefined && this.#givenKey !== undefined)
      this.fail("not-signed", "nothing in the log is signed, but a key was given");
    if (last !== undefined && this.#format >= 2 && last.count < this.#count)
      this.fail(
        "end-not-signed",
        `the last ${this.#count - last.count} receipts are not signed: whoever wrote them had not the key`,
        last.count,
      );
  }

  report(): VerifyReport {
    const { expectedHead, minCount = 0 } = this.#options;
    if (this.#count < minCount)
      this.fail("end-missing", `there are ${this.#count} receipts; at least ${minCount} were written`, this.#count);
    if (expectedHead !== undefined && expectedHead !== GENESIS && !this.#hashes.includes(expectedHead))
      this.fail("end-missing", `the head ${expectedHead} that was noted is not in the chain`);
    const [unnamed] = this.#unnamed.keys();
    if (this.#format >= 2 && unnamed !== undefined)
      this.fail("erasure-wrong", `receipt ${unnamed} was erased, but no receipt of the log says so`, unnamed);
    const signedBy = this.#signed === 0 ? "nobody" : this.#givenKey === undefined ? "key-in-log" : "given-key";
    const problem = this.#problem;
    return {
      ok: problem === undefined,
      format: this.#format,
      count: this.#count,
      head: this.#head,
      erased: this.#erased,
      signed: this.#signed,
      signedBy,
      key: this.#key,
      kept: this.#kept,
      claim: claimOf(this.#count, this.#signed, signedBy),
      ...(problem === undefined ? {} : { problem }),
    };
  }

  #checkText(receipt: Receipt): void {
    const { kind, index, request, summary, salt, erasedAt, hash, at } = receipt;
    if (request === null && summary === null && salt === null && erasedAt !== null && kind === "answer") {
      this.#erased++;
      this.#unnamed.set(index, { hash, at, erasedAt });
    } else if (request === null || summary === null || salt === null || erasedAt !== null) {
      this.fail("text-changed", `receipt ${index} is neither whole nor erased`, index);
    } else if (commitTo("request", salt, request) !== receipt.commitment) {
      this.fail("text-changed", `the request of receipt ${index} is not the one that was answered`, index);
    } else if (commitTo("summary", salt, summary) !== receipt.summaryCommitment) {
      this.fail("text-changed", `the summary of receipt ${index} is not the one that was given`, index);
    }
  }

  /** What it names is erased, once, and not before it was written. */
  #checkErasure(receipt: Receipt): void {
    const erasure = erasureOf(receipt);
    if (erasure === undefined)
      return this.fail("erasure-wrong", `receipt ${receipt.index} does not say what was erased`, receipt.index);
    for (const { index, hash, at } of erasure.receipts) {
      const row = this.#unnamed.get(index);
      const fits = row?.hash === hash && row.erasedAt === at;
      const inTime = erasure.why === "found" || (at === receipt.at && Date.parse(at) >= Date.parse(row?.at ?? at));
      if (!fits || !inTime)
        this.fail(
          "erasure-wrong",
          `receipt ${index} is not erased as receipt ${receipt.index} says ` +
            `(${row === undefined ? "it has its text" : `at ${row.erasedAt}, not ${at}`})`,
          index,
        );
      this.#unnamed.delete(index);
    }
  }

  #checkHead(head: SignedHead): LogFormat | undefined {
    const format = signedFormat(head);
    if (format === undefined) {
      this.fail("signature-wrong", `the signature of the head over ${head.count} receipts is wrong`);
      return undefined;
    }
    if (head.key !== (this.#givenKey ?? (this.#key ??= head.key)))
      this.fail(
        "key-wrong",
        this.#givenKey === undefined
          ? `the head over ${head.count} receipts was signed with another key than those before it`
          : `the head over ${head.count} receipts was signed with another key than the one given`,
      );
    // Once something else is wrong, the hashes end there; and those before the start are known to be right.
    if (this.failed || head.count < this.#start.count) return format;
    const hash = this.hashAfter(head.count);
    if (hash === undefined)
      this.fail(
        "end-missing",
        `there are ${this.#count} receipts, but ${head.count} were signed: the end is missing`,
        this.#count,
      );
    else if (hash !== head.head)
      this.fail("head-changed", `receipt ${head.count - 1} is not the one that was signed`, head.count - 1);
    return format;
  }
}

const NOTHING = { count: 0, head: GENESIS } as const;

function claimOf(count: number, signed: number, by: VerifyReport["signedBy"]): string {
  const tail = signed === count ? "" : ` The ${count - signed} after them are chained, not yet signed.`;
  switch (by) {
    case "given-key":
      return (
        `${signed} receipts are as the owner of the given key signed them: none changed, added or left out.` + tail
      );
    case "key-in-log":
      return (
        `${signed} receipts are as signed by the key that the log names; give the public key you trust to rule ` +
        `out another one.${tail}`
      );
    case "nobody":
      return "The log is not signed: this shows that nothing was corrupted, not that nobody rewrote or shortened it.";
  }
}
