/**
 * The files of the Hugging Face layout around a tokenizer: read what they say about special tokens, write what others
 * expect.
 */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import type { SpecialIds, TokenizerFiles } from "./types.ts";

const tokenName = z
  .union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)])
  .nullable()
  .optional();
const configShape = z.looseObject({
  unk_token: tokenName,
  sep_token: tokenName,
  pad_token: tokenName,
  cls_token: tokenName,
  mask_token: tokenName,
});

export type SpecialNames = Readonly<Record<"pad" | "unk" | "cls" | "sep" | "mask", string>>;

export const BERT_NAMES: SpecialNames = Object.freeze({
  pad: "[PAD]",
  unk: "[UNK]",
  cls: "[CLS]",
  sep: "[SEP]",
  mask: "[MASK]",
});

/** Names from `tokenizer_config.json`, BERT's where it is silent. */
export function specialNames(config: object | undefined): SpecialNames {
  const read = parseOptions(configShape, config ?? {}, "tokenizer_config.json", "TOKENIZER_INVALID");
  return {
    pad: read.pad_token ?? BERT_NAMES.pad,
    unk: read.unk_token ?? BERT_NAMES.unk,
    cls: read.cls_token ?? BERT_NAMES.cls,
    sep: read.sep_token ?? BERT_NAMES.sep,
    mask: read.mask_token ?? BERT_NAMES.mask,
  };
}

export function specialIds(names: SpecialNames, idOf: ReadonlyMap<string, number>): SpecialIds {
  const id = (name: string): number => idOf.get(name) ?? -1;
  return { pad: id(names.pad), unk: id(names.unk), cls: id(names.cls), sep: id(names.sep), mask: id(names.mask) };
}

/**
 * `tokens[id]` is the token of `id`; given for WordPiece, whose `vocab.txt` is one token a line in the order of ids.
 */
export function tokenizerFiles(
  tokenizerJson: string,
  config: object,
  names: SpecialNames,
  tokens?: readonly string[],
): TokenizerFiles {
  return Object.freeze({
    "tokenizer.json": tokenizerJson,
    "tokenizer_config.json": `${JSON.stringify(config, null, 2)}\n`,
    "special_tokens_map.json":
      JSON.stringify(
        {
          unk_token: names.unk,
          sep_token: names.sep,
          pad_token: names.pad,
          cls_token: names.cls,
          mask_token: names.mask,
        },
        null,
        2,
      ) + "\n",
    ...(tokens === undefined ? {} : { "vocab.txt": `${tokens.join("\n")}\n` }),
  });
}
