/** Sizes in a stranger's `config.json`: bounded before anything is allocated from them. */
import { z } from "zod";
import { LockstepError } from "../../base/index.ts";

/** A count from 1 to `maximum`; `standard` where the file has none. */
export const size = (maximum: number, standard: number) => z.int().min(1).max(maximum).default(standard);

/** MODEL_INVALID with the field of `config.json` that is wrong; "" where it is none of them. */
export function invalidField(field: string, because: string): LockstepError {
  return new LockstepError("MODEL_INVALID", `config.json: ${field === "" ? "" : `"${field}": `}${because}`, { field });
}

/**
 * `names` are the fields in the file.
 * @throws MODEL_INVALID where the width is not a multiple of the number of heads
 */
export function requireWholeHeads(
  { hidden_size, num_attention_heads }: { readonly hidden_size: number; readonly num_attention_heads: number },
  names: { readonly width: string; readonly heads: string } = { width: "hidden_size", heads: "num_attention_heads" },
): void {
  if (hidden_size % num_attention_heads !== 0)
    throw invalidField(names.width, `${hidden_size} is not a multiple of "${names.heads}" ${num_attention_heads}`);
}
