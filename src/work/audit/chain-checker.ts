/**
 * The one judge of a chain, used for logs and exports alike: receipts go in one by one, then the signed heads; the
 * first thing wrong is kept.
 */
import { commitTo, GENESIS, receiptHash, type Receipt } from "./receipt.ts";
import { isSignatureValid, normalizeKey, type SignedHead } from "./signing.ts";

export type ProblemKind =
  | "unreadable"
  | "receipt-damaged"
  | "receipt-missing"
  | "chain-broken"
  | "receipt-changed"
  | "text-changed"
  | "end-missing"
  | "head-changed"
  | "head-missing"
  | "signature-wrong"
  | "key-wrong"
  | "not-signed"
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
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly count: number;
  readonly head: string;
  /** Receipts whose text was erased. */
  readonly erased: number;
  /** Receipts covered by the newest valid signature; 0 for an unsigned log. */
  readonly signed: number;
  /** Whose signature that is: a key given by the verifier, or only one that the log names itself. */
  readonly signedBy: "given-key" | "key-in-log" | "nobody";
  /** What being `ok` means here, in a sentence. */
  readonly claim: string;
  readonly problem?: Problem;
}

export class ChainChecker {
  readonly #options: VerifyOptions;
  #count = 0;
  #head = GENESIS;
  #erased = 0;
  #signed = 0;
  #problem: Problem | undefined;
  /** Hashes that a signed head or the verifier may ask for; all of them, 64 bytes a receipt. */
  readonly #hashes: string[] = [];

  constructor(options: VerifyOptions) {
    this.#options = options;
  }

  get failed(): boolean {
    return this.#problem !== undefined;
  }

  fail(kind: ProblemKind, message: string, index?: number): void {
    this.#problem ??= { kind, message, ...(index === undefined ? {} : { index }) };
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
    this.#hashes.push(receipt.hash);
    this.#head = receipt.hash;
    this.#count++;
  }

  /** The signed heads, oldest first. `required` must be among them. */
  addHeads(heads: readonly SignedHead[], required?: SignedHead): void {
    for (const head of required === undefined ? heads : [...heads, required]) this.#checkHead(head);
    if (required !== undefined && !heads.some(({ signature }) => signature === required.signature))
      this.fail("head-missing", `the signed head over ${required.count} receipts is not in the log`);
    const { publicKey } = this.#options;
    const last = heads.at(-1);
    if (last === undefined && publicKey !== undefined)
      this.fail("not-signed", "nothing in the log is signed, but a key was given");
    this.#signed = last?.count ?? 0;
  }

  report(): VerifyReport {
    const { expectedHead, minCount = 0, publicKey } = this.#options;
    if (this.#count < minCount)
      this.fail("end-missing", `there are ${this.#count} receipts; at least ${minCount} were written`, this.#count);
    if (expectedHead !== undefined && expectedHead !== GENESIS && !this.#hashes.includes(expectedHead))
      this.fail("end-missing", `the head ${expectedHead} that was noted is not in the chain`);
    const signedBy = this.#signed === 0 ? "nobody" : publicKey === undefined ? "key-in-log" : "given-key";
    const problem = this.#problem;
    return {
      ok: problem === undefined,
      count: this.#count,
      head: this.#head,
      erased: this.#erased,
      signed: this.#signed,
      signedBy,
      claim: claimOf(this.#count, this.#signed, signedBy),
      ...(problem === undefined ? {} : { problem }),
    };
  }

  #checkText(receipt: Receipt): void {
    const { index, request, summary, salt } = receipt;
    if (request === null && summary === null && salt === null && receipt.erasedAt !== null) {
      this.#erased++;
    } else if (request === null || summary === null || salt === null || receipt.erasedAt !== null) {
      this.fail("text-changed", `receipt ${index} is neither whole nor erased`, index);
    } else if (commitTo("request", salt, request) !== receipt.commitment) {
      this.fail("text-changed", `the request of receipt ${index} is not the one that was answered`, index);
    } else if (commitTo("summary", salt, summary) !== receipt.summaryCommitment) {
      this.fail("text-changed", `the summary of receipt ${index} is not the one that was given`, index);
    }
  }

  #checkHead(head: SignedHead): void {
    const { publicKey } = this.#options;
    if (!isSignatureValid(head))
      return this.fail("signature-wrong", `the signature of the head over ${head.count} receipts is wrong`);
    if (publicKey !== undefined && head.key !== normalizeKey(publicKey))
      return this.fail(
        "key-wrong",
        `the head over ${head.count} receipts was signed with another key than the one given`,
      );
    // Once something else is wrong, the hashes end there.
    if (this.failed) return;
    const hash = this.#hashes[head.count - 1];
    if (hash === undefined)
      return this.fail(
        "end-missing",
        `there are ${this.#count} receipts, but ${head.count} were signed: the end is missing`,
        this.#count,
      );
    if (hash !== head.head)
      this.fail("head-changed", `receipt ${head.count - 1} is not the one that was signed`, head.count - 1);
  }
}

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
