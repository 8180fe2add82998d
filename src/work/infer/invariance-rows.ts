/** Rows to verify a version with: ordinary sentences under its own tokenizer, cut to three lengths within its limit. */
import { EXACT_LENGTH, LockstepError, paddedLength } from "../../base/index.ts";
import type { Tokenizer } from "../../language/text/index.ts";
import { SET_ROWS, type RowSet } from "./invariance.ts";
import type { TokenRow } from "./predictor.ts";

const SENTENCES = [
  "My new card still has not arrived after two weeks, what should I do?",
  "I was charged twice for the same hotel booking on 14 March, please refund one of the payments.",
  "The exchange rate you applied at the café in Zürich was far worse than the one shown in the app!",
  "How long does a bank transfer from Poland usually take to reach my account?",
  "Somebody seems to be using my phone number; I never asked for this verification code.",
  "Can I top up with a cheque, or do you only accept cash and debit cards (no credit)?",
  "The quick brown fox jumps over the lazy dog while 3,456 people watch it on television.",
  "Water boils at a lower temperature on top of a mountain, which is why pasta takes longer there.",
  'She said: "we\'ll meet at 7:30, unless the train from Kraków is delayed again" - and it was.',
  "Shares fell by 2.7% after the company announced that its chief executive would step down.",
  "Once the parcel has left the depot its tracking number can be used to follow it to your door.",
  "Nobody in the village remembered who had planted the old chestnut trees along the river.",
  "Please translate the following paragraph into plain English and keep every figure as it is.",
  "An aspirin and a glass of water were all that the doctor prescribed, to everyone's surprise.",
];

/**
 * Three sets, short, middle and long; the long one has rows of several lengths that are padded to the same multiple of
 * 16, if the version's limit allows.
 */
export async function invarianceRows(
  tokenizer: Tokenizer,
  maxTokens: number,
  sentences: readonly string[] = SENTENCES,
): Promise<RowSet[]> {
  const words = sentences.flatMap((sentence) => sentence.split(/\s+/).filter((word) => word !== ""));
  return await Promise.all(
    verifiedLengths(maxTokens).map(async ([least, most]) => ({
      tokens: Math.max(2, paddedLength(most)),
      rows: await Promise.all(
        Array.from({ length: SET_ROWS }, (_, row) => rowOf(tokenizer, words, row, least + (row % (most - least + 1)))),
      ),
    })),
  );
}

/** [least, most] own tokens of each set, rising; no two sets share a padded length. */
function verifiedLengths(maxTokens: number): [number, number][] {
  const short = Math.min(8, maxTokens);
  const long = maxTokens > EXACT_LENGTH ? EXACT_LENGTH + 1 : maxTokens;
  const middle = Math.min(24, Math.floor((short + long) / 2));
  const lengths: [number, number][] = [
    [short, short],
    [middle, middle],
    [long, maxTokens > EXACT_LENGTH ? Math.min(maxTokens, paddedLength(long)) : long],
  ];
  return lengths.filter(([least], i) => i === 0 || least > (lengths[i - 1]?.[0] ?? 0));
}

/** Words from a place of the row's own, until there are enough tokens; then cut. */
async function rowOf(tokenizer: Tokenizer, words: readonly string[], row: number, length: number): Promise<TokenRow> {
  const from = row * 5;
  for (let count = Math.max(1, length - 2); count <= 4 * length; count += Math.max(1, Math.ceil(length / 4))) {
    const text = Array.from({ length: count }, (_, i) => words[(from + i) % words.length]).join(" ");
    const { ids, typeIds } = await tokenizer.encode(text, { maxLength: length });
    if (ids.length === length) return { ids, typeIds };
  }
  throw new LockstepError(
    "TOKENIZER_INVALID",
    `the version's tokenizer makes fewer than ${length} tokens of ${4 * length} words, so there are no rows of ` +
      "that length to verify it with",
    { tokens: length },
  );
}
