/**
 * The self-check of a decoder that was just loaded: the last tokens of a made-up text have the same bits when it is
 * computed whole, a token at a time, and beside another text. It takes a few steps; the text is as long as the blocks
 * that kernels cut rows into, and one more, which is where they differ.
 */
import { LockstepError } from "../../base/index.ts";
import { firstDifference } from "../../numeric/runtime/index.ts";
import type { Decoder } from "./contract.ts";

/** Tokens that are compared. */
const LAST = 3;

/** @throws NUMERICS_UNTRUSTED */
export async function selfCheckSteps(decoder: Decoder, headWidth: number): Promise<void> {
  const length = Math.min(2 * headWidth + 1, decoder.context);
  const last = Math.min(LAST, length);
  const ids = textOf(length, 7919, decoder.vocabulary);
  const sequence = decoder.open(length);
  const expected = (await decoder.step([{ sequence, ids, logits: last }]))[0]!.slice();
  const bad = expected.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw untrusted(`gave ${expected[bad]}`);
  const compare = (logits: Float32Array, i: number, how: string): void => {
    const V = decoder.vocabulary;
    if (firstDifference(logits, expected.subarray(i * V, (i + 1) * V)) >= 0)
      throw untrusted(`gave other bits for a token ${how} than for the same token in its whole text`);
  };
  const mate = decoder.slots > 1 ? decoder.open() : null;
  try {
    for (const beside of [false, true]) {
      if (beside && mate === null) continue;
      sequence.rewind(length - last);
      for (let i = 0; i < last; i++) {
        const own = { sequence, ids: ids.subarray(length - last + i, length - last + i + 1) };
        const work = beside ? [{ sequence: mate!, ids: textOf(1 + i, 31, decoder.vocabulary), logits: 0 }, own] : [own];
        compare((await decoder.step(work)).at(-1)!, i, beside ? "beside another text" : "by itself");
      }
    }
  } finally {
    sequence.close();
    mate?.close();
  }
}

function textOf(length: number, salt: number, vocabulary: number): Int32Array {
  return Int32Array.from({ length }, (_, t) => (1 + salt + t * 104_729) % vocabulary);
}

function untrusted(message: string): LockstepError {
  return new LockstepError(
    "NUMERICS_UNTRUSTED",
    `the decoder ${message}. It is not served: its texts would depend on the load. Try the other profile, or another ` +
      "build of the runtime",
  );
}
