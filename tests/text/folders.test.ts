import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { openTokenizer, type TokenizerSource } from "../../src/language/text/index.ts";

interface Case {
  readonly name: string;
  readonly base: "cased" | "uncased";
  readonly vocabOnly?: boolean;
  readonly changes?: object;
  readonly config?: object;
  readonly map?: object;
  readonly added?: object;
  readonly ids: readonly (readonly number[])[];
}

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const golden = JSON.parse(read("golden/folders.json")) as { texts: readonly string[]; cases: readonly Case[] };

function sourceOf({ base, vocabOnly, changes, config, map, added }: Case): TokenizerSource {
  const folder = `../tiny/tokenizer-${base}`;
  return {
    ...(vocabOnly === true
      ? { vocabTxt: read(`${folder}/vocab.txt`) }
      : { tokenizerJson: { ...(JSON.parse(read(`${folder}/tokenizer.json`)) as object), ...changes } }),
    tokenizerConfig: config ?? {},
    ...(map === undefined ? {} : { specialTokensMap: map }),
    ...(added === undefined ? {} : { addedTokens: added }),
  };
}

/** Where the settings of two files contradict each other, or a part is left out by Python in silence. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  addbos: /"add_bos_token" is true/,
  added_json_new: /added_tokens\.json.*"<a>"/,
  clean_false: /"clean_text" false/,
  convb: /"tokenizer_class" is "ConvBertTokenizer"/,
  nfd_bert: /its normalizer is "NFD"/,
  retri: /"tokenizer_class" is "RetriBertTokenizer"/,
  wrongclass: /"tokenizer_class" is "RobertaTokenizer"/,
};

describe("folders as Python's transformers reads them", () => {
  for (const one of golden.cases) {
    const refusal = REFUSED[one.name];
    it(`${one.name}: ${refusal === undefined ? "the same ids" : "refused by the setting's name"}`, async () => {
      if (refusal !== undefined) {
        assert.throws(() => openTokenizer(sourceOf(one)), { code: "TOKENIZER_INVALID", message: refusal });
        return;
      }
      const tokenizer = openTokenizer(sourceOf(one));
      for (const [i, text] of golden.texts.entries())
        assert.deepEqual([...(await tokenizer.encode(text)).ids], one.ids[i], text);
      // What a version keeps of it reads the same again.
      const { files } = tokenizer;
      const again = openTokenizer({
        tokenizerJson: files["tokenizer.json"],
        tokenizerConfig: JSON.parse(files["tokenizer_config.json"]) as object,
        specialTokensMap: JSON.parse(files["special_tokens_map.json"]) as object,
      });
      for (const [i, text] of golden.texts.entries())
        assert.deepEqual([...(await again.encode(text)).ids], one.ids[i], `again: ${text}`);
    });
  }

  it("an unknown field is refused by its name, in every file", () => {
    const json = JSON.parse(read("../tiny/tokenizer-uncased/tokenizer.json")) as {
      normalizer: object;
      model: object;
      added_tokens: object[];
    };
    const cases: [TokenizerSource, RegExp][] = [
      [{ tokenizerJson: { ...json, extra: 1 } }, /"extra"/],
      [{ tokenizerJson: { ...json, normalizer: { ...json.normalizer, turkish: true } } }, /normalizer.*"turkish"/],
      [{ tokenizerJson: { ...json, model: { ...json.model, fallback: "x" } } }, /model.*"fallback"/],
      [{ tokenizerJson: { ...json, added_tokens: [{ ...json.added_tokens[0], fuzzy: true }] } }, /"fuzzy"/],
      [{ tokenizerJson: json, tokenizerConfig: { do_upper_case: true } }, /"do_upper_case"/],
      [{ tokenizerJson: json, specialTokensMap: { end: "x" } }, /special_tokens_map\.json.*"end"/],
    ];
    for (const [source, message] of cases)
      assert.throws(() => openTokenizer(source), { code: "TOKENIZER_INVALID", message });
  });

  it("the settings of widely used folders load", async () => {
    const five = {
      unk_token: "[UNK]",
      sep_token: "[SEP]",
      pad_token: "[PAD]",
      cls_token: "[CLS]",
      mask_token: "[MASK]",
    };
    const settings: object[] = [
      { do_lower_case: true },
      { do_lower_case: false, model_max_length: 512 },
      {
        ...five,
        do_lower_case: true,
        tokenize_chinese_chars: true,
        strip_accents: null,
        name_or_path: "some/encoder",
        do_basic_tokenize: true,
        never_split: null,
        tokenizer_class: "BertTokenizer",
        model_max_length: 512,
      },
      {
        ...five,
        clean_up_tokenization_spaces: true,
        do_basic_tokenize: true,
        do_lower_case: true,
        max_length: 128,
        model_max_length: 512,
        never_split: null,
        pad_to_multiple_of: null,
        pad_token_type_id: 0,
        padding_side: "right",
        stride: 0,
        strip_accents: null,
        tokenize_chinese_chars: true,
        tokenizer_class: "BertTokenizer",
        truncation_side: "right",
        truncation_strategy: "longest_first",
        special_tokens_map_file: "/somewhere/special_tokens_map.json",
      },
      { ...five, backend: "tokenizers", is_local: false, tokenizer_class: "BertTokenizer", model_max_length: 1e30 },
    ];
    const tokenizerJson = read("../tiny/tokenizer-uncased/tokenizer.json");
    for (const tokenizerConfig of settings)
      assert.ok((await openTokenizer({ tokenizerJson, tokenizerConfig }).encode("card")).ids.length > 2);
  });
});
