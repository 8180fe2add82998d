/** What the files of a tokenizer say together, once they are read and held against each other (settle.ts). */
import type { TokenizerJson } from "./schema.ts";

export type BertNames = Readonly<Record<"pad" | "unk" | "cls" | "sep" | "mask", string>>;
export type SpecialNames = BertNames & Readonly<Partial<Record<"bos" | "eos", string | undefined>>>;

export interface Settled {
  /** As it is used: with the settings and tokens of the files beside it. */
  readonly json: TokenizerJson;
  /** As it was read, and its text. */
  readonly rawJson: TokenizerJson;
  readonly text: string;
  readonly config: object | undefined;
  /** `special_tokens_map.json`, if there was one. */
  readonly map: object | undefined;
  readonly names: SpecialNames;
  /** Contents of the special tokens that the files name, by name, as `bos_token`. */
  readonly named: Readonly<Record<string, string>>;
  readonly truncationSide: "left" | "right";
  /** Special tokens in a text are text. */
  readonly splitSpecial: boolean;
  /** The smaller of what was asked for and `model_max_length`. */
  readonly maxLength: number;
}
