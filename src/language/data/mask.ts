/**
 * Masked language modelling (Devlin et al. 2018): of the chosen positions 80 % become [MASK], 10 % another token, 10 %
 * stay. A draw is a function of (seed, step, shard, position), so a restarted run masks the same. Where words are
 * masked whole (the "whole word masking" of BERT's authors, May 2019), a word is chosen by one draw, at the same rate,
 * so that the expected share of the tokens is the same; what becomes of each of its tokens is a draw of its own.
 */
import { PURPOSE, bits, invariant, type Seed } from "../../base/index.ts";
import type { SpecialIds } from "../text/index.ts";

export interface MaskOptions {
  /** Share of the tokens that are chosen, special ones not counted. @default 0.15 */
  readonly rate?: number;
  /**
   * What the 10 % are replaced by: "word" draws from the vocabulary without the special tokens, "any" from all of it,
   * as recipes did before they could say so. @default "word"
   */
  readonly replacement?: MaskReplacement;
  /** As long as `ids`: 1 where a word begins; words are then chosen whole. @default each token by itself */
  readonly wordStarts?: Uint8Array | undefined;
  readonly seed: Seed;
  readonly step: number;
  readonly shard: number;
}

export type MaskReplacement = "word" | "any";

export interface Masked {
  readonly inputs: Int32Array;
  /** Chosen places in `ids`, rising; none when every draw says no. */
  readonly positions: Int32Array;
  /** The token that was there, for each of `positions`. */
  readonly labels: Int32Array;
}

const TWO_32 = 0x1_0000_0000;

/**
 * `ids` are the tokens of a shard's rows one after another, padding included; special tokens and padding are never
 * chosen.
 */
export function maskTokens(
  ids: Int32Array,
  special: SpecialIds,
  vocabSize: number,
  { rate = 0.15, replacement = "word", wordStarts, seed, step, shard }: MaskOptions,
): Masked {
  invariant(
    special.mask >= 0 && special.mask < vocabSize,
    "masked language modelling needs a tokenizer with a mask token",
  );
  invariant(rate > 0 && rate < 1, `the masking rate is between 0 and 1, not ${rate}`);
  const never = new Set([special.pad, special.cls, special.sep, special.mask]);
  const inputs = Int32Array.from(ids);
  const left = replacement === "any" ? [] : [...new Set(Object.values(special))].filter((id) => id >= 0).sort(rising);
  invariant(left.length < vocabSize, "a vocabulary of special tokens only has no word to draw");
  const positions: number[] = [];
  const word = (at: number, draw: number): number => bits(seed, PURPOSE.mask, step, shard, 4 * at + draw);
  let first = 0;
  for (let at = 0; at < ids.length; at++) {
    if (wordStarts?.[at] !== 0) first = at;
    if (never.has(ids[at] as number) || word(first, 0) >= rate * TWO_32) continue;
    positions.push(at);
    const kind = word(at, 1) / TWO_32;
    if (kind < 0.8) inputs[at] = special.mask;
    else if (kind < 0.9) inputs[at] = nthWord(Math.floor((word(at, 2) / TWO_32) * (vocabSize - left.length)), left);
  }
  return {
    inputs,
    positions: Int32Array.from(positions),
    labels: Int32Array.from(positions, (at) => ids[at] as number),
  };
}

/** The id that is number `n` (from 0) when the ids in `left`, rising, are left out. */
function nthWord(n: number, left: readonly number[]): number {
  let id = n;
  for (const special of left) if (special <= id) id++;
  return id;
}

function rising(a: number, b: number): number {
  return a - b;
}
