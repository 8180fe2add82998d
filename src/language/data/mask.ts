/**
 * Masked language modelling (Devlin et al. 2018): of the chosen positions 80 % become [MASK], 10 % another token, 10 %
 * stay. A draw is a function of (seed, step, shard, position), so a restarted run masks the same.
 */
import { PURPOSE, bits, invariant, type Seed } from "../../base/index.ts";
import type { SpecialIds } from "../text/index.ts";

export interface MaskOptions {
  /** Share of the tokens that are chosen, special ones not counted. @default 0.15 */
  readonly rate?: number;
  readonly seed: Seed;
  readonly step: number;
  readonly shard: number;
}

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
  { rate = 0.15, seed, step, shard }: MaskOptions,
): Masked {
  invariant(
    special.mask >= 0 && special.mask < vocabSize,
    "masked language modelling needs a tokenizer with a mask token",
  );
  invariant(rate > 0 && rate < 1, `the masking rate is between 0 and 1, not ${rate}`);
  const never = new Set([special.pad, special.cls, special.sep, special.mask]);
  const inputs = Int32Array.from(ids);
  const positions: number[] = [];
  const word = (at: number, draw: number): number => bits(seed, PURPOSE.mask, step, shard, 4 * at + draw);
  for (let at = 0; at < ids.length; at++) {
    if (never.has(ids[at] as number) || word(at, 0) >= rate * TWO_32) continue;
    positions.push(at);
    const kind = word(at, 1) / TWO_32;
    if (kind < 0.8) inputs[at] = special.mask;
    else if (kind < 0.9) inputs[at] = Math.floor((word(at, 2) / TWO_32) * vocabSize);
  }
  return {
    inputs,
    positions: Int32Array.from(positions),
    labels: Int32Array.from(positions, (at) => ids[at] as number),
  };
}
