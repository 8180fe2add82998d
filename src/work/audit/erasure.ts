/**
 * An erasure as a receipt of its own: which receipts lost their text, and when. It is in the chain and under the signed
 * head like every other, so that a text cannot vanish from a log without somebody who has the key.
 */
import { z } from "zod";
import { canonicalJson, sha256Hex } from "../../base/index.ts";
import { GENESIS, type PreparedReceipt, type Receipt } from "./receipt.ts";

/** Of one erasure receipt: its text has a bound too. */
export const MAX_ERASED = 10_000;

/** `found` names what a log of format 1 had erased before it became one of today's: its own word is all there is. */
const requestSchema = z.strictObject({
  why: z.enum(["erased", "found"]),
  receipts: z
    .array(z.strictObject({ index: z.int().min(0), hash: z.string(), at: z.string() }))
    .min(1)
    .max(MAX_ERASED),
});

export type Erasure = Readonly<z.output<typeof requestSchema>>;
export type ErasedReceipt = Erasure["receipts"][number];

export function prepareErasure(erasure: Erasure, at: string): PreparedReceipt {
  const request = canonicalJson(erasure);
  return {
    requestId: "erasure",
    version: GENESIS,
    profileId: "none",
    profile: canonicalJson({ id: "none" }),
    request,
    seed: null,
    answerDigest: sha256Hex(request),
    summary: canonicalJson({ receipts: erasure.receipts.length }),
    at,
  };
}

/** What the receipt says was erased; undefined when it does not say so in the form above. */
export function erasureOf(receipt: Receipt): Erasure | undefined {
  if (receipt.request === null) return undefined;
  try {
    const parsed = requestSchema.safeParse(JSON.parse(receipt.request));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined; // not JSON, so no erasure
  }
}

/** The later of two UTC times. */
export function later(a: string, b: string): string {
  return Date.parse(b) > Date.parse(a) ? b : a;
}
