/** A row of tokens as a version's program takes it. */
import type { TokenRow as ModelRow } from "../../language/models/index.ts";

export interface TokenRow extends ModelRow {
  /** Of a language model: the places in the row that it is read out at. @default the last one */
  readonly positions?: Int32Array;
  /** As many tokens: their log-probabilities at those places are wanted, in nats, in place of all logits. */
  readonly targets?: Int32Array;
}
