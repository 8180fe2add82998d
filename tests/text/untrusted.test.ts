import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadTokenizer, openTokenizer, trainWordPiece } from "../../src/language/text/index.ts";

type Json = Record<string, unknown> & { model: Record<string, unknown>; added_tokens: Record<string, unknown>[] };

const good = trainWordPiece(["the card arrived", "the card is here"], { vocabSize: 64, minFrequency: 1 }).files[
  "tokenizer.json"
];
const changed = (change: (json: Json) => void): Json => {
  const json = JSON.parse(good) as Json;
  change(json);
  return json;
};
const withPattern = (regex: string): Json =>
  changed((json) => {
    json["pre_tokenizer"] = { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
  });

describe("a damaged tokenizer.json", () => {
  const cases: [string, string | object, RegExp][] = [
    ["no JSON", "{", /not JSON/],
    ["a list", [], /top level/],
    [
      "no model",
      changed((json) => {
        delete (json as Partial<Json>).model;
      }),
      /model/,
    ],
    [
      "an unknown component",
      changed((json) => {
        json["normalizer"] = { type: "Sequence", normalizers: [{ type: "Evil" }] };
      }),
      /normalizer\.normalizers\[0\] is of the unknown type "Evil"/,
    ],
    [
      "an unknown model",
      changed((json) => {
        json.model["type"] = "Magic";
      }),
      /Magic/,
    ],
    [
      "an empty vocabulary",
      changed((json) => {
        json.model["vocab"] = {};
      }),
      /empty/,
    ],
    [
      "a fractional id",
      changed((json) => {
        (json.model["vocab"] as Record<string, unknown>)["the"] = 1.5;
      }),
      /"the" .* "1\.5"/,
    ],
    [
      "an id far too large",
      changed((json) => {
        (json.model["vocab"] as Record<string, unknown>)["the"] = 4_000_000_000;
      }),
      /4000000000/,
    ],
    [
      "an id used twice",
      changed((json) => {
        (json.model["vocab"] as Record<string, unknown>)["zzz"] = 3;
      }),
      /two tokens/,
    ],
    [
      "a gap in the ids",
      changed((json) => {
        (json.model["vocab"] as Record<string, unknown>)["zzz"] = 500;
      }),
      /without a gap/,
    ],
    [
      "an added token over another's id",
      changed((json) => {
        json.added_tokens[0] = { ...json.added_tokens[0], content: "[OTHER]" };
      }),
      /two tokens/,
    ],
    [
      "no unknown token",
      changed((json) => {
        json.model["unk_token"] = "[NONE]";
      }),
      /unk_token/,
    ],
    [
      "a template with a token that is not there",
      changed((json) => {
        json["post_processor"] = {
          type: "TemplateProcessing",
          single: [{ SpecialToken: { id: "[XX]", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
          pair: [],
          special_tokens: {},
        };
      }),
      /\[XX\]/,
    ],
    [
      "a template without the text",
      changed((json) => {
        json["post_processor"] = { type: "TemplateProcessing", single: [], pair: [], special_tokens: {} };
      }),
      /sequence A/,
    ],
    [
      "a line break in a token",
      changed((json) => {
        (json.model["vocab"] as Record<string, unknown>)["a\nb"] = Object.keys(json.model["vocab"] as object).length;
      }),
      /line break/,
    ],
    [
      "sequences nested without end",
      changed((json) => {
        let inner: object = { type: "Lowercase" };
        for (let i = 0; i < 100; i++) inner = { type: "Sequence", normalizers: [inner] };
        json["normalizer"] = inner;
      }),
      /nested/,
    ],
  ];
  for (const [name, tokenizerJson, message] of cases) {
    it(name, () => {
      assert.throws(() => loadTokenizer({ tokenizerJson }), { code: "TOKENIZER_INVALID", message });
      assert.throws(() => openTokenizer({ tokenizerJson }), { code: "TOKENIZER_INVALID", message });
    });
  }

  it("a config whose token is a number", () => {
    assert.throws(() => loadTokenizer({ tokenizerJson: good, tokenizerConfig: { pad_token: 5 } }), {
      code: "TOKENIZER_INVALID",
      message: /pad_token/,
    });
  });
});

describe("what the reference library is given", () => {
  it("is run beside our own code, off this thread, with the reference's ids", async () => {
    const json = changed((file) => {
      file["normalizer"] = {
        type: "Sequence",
        normalizers: [{ type: "Strip", strip_left: true, strip_right: true }, { type: "Lowercase" }],
      };
    });
    assert.throws(() => loadTokenizer({ tokenizerJson: json }), {
      code: "TOKENIZER_INVALID",
      message: /own code does not have its normalizer\.normalizers\[0\] \(Strip\)/,
    });
    const tokenizer = openTokenizer({ tokenizerJson: json }, { maxLength: 6 });
    assert.match(tokenizer.library ?? "", /^tokenizers \d+\.\d+\.\d+$/);
    assert.ok(tokenizer.encode("the card") instanceof Promise);
    const plain = openTokenizer({ tokenizerJson: good }, { maxLength: 6 });
    assert.equal(plain.library, undefined);
    for (const text of ["  the card", "the card is here the card", "😀 the é"]) {
      const { ids, offsets, truncated } = await plain.encode(text, { offsets: true });
      const given = await tokenizer.encode(text, { offsets: true });
      assert.deepEqual([...given.ids], [...ids]);
      assert.deepEqual([...given.offsets], [...offsets]);
      assert.equal(given.truncated, truncated);
    }
    const pair = await tokenizer.encode("the card", { pair: "😀 here", offsets: true });
    assert.deepEqual(pair, await plain.encode("the card", { pair: "😀 here", offsets: true }));
    assert.equal(tokenizer.decode(pair.ids), plain.decode(pair.ids));
  });

  const endless: [string, Json, RegExp][] = [
    ["a regular expression of its own", withPattern("(a+)+$"), /pre_tokenizer\.pattern\.Regex.*not run here/],
    [
      "parts that double the text again and again",
      changed((json) => {
        json["normalizer"] = {
          type: "Sequence",
          normalizers: Array.from({ length: 60 }, () => ({ type: "Replace", pattern: { String: "a" }, content: "aa" })),
        };
      }),
      /64 times as long, normalizer\.normalizers\.5 \(Replace\)/,
    ],
    [
      "a part that advances by nothing",
      changed((json) => {
        json["pre_tokenizer"] = { type: "FixedLength", length: 0 };
      }),
      /FixedLength/,
    ],
    [
      "chance",
      changed((json) => {
        json.model = { type: "BPE", vocab: { a: 0 }, merges: [], dropout: 0.1 };
      }),
      /dropout/,
    ],
  ];
  for (const [name, tokenizerJson, message] of endless)
    it(`is never ${name}`, () => {
      assert.throws(() => openTokenizer({ tokenizerJson }), { code: "TOKENIZER_INVALID", message });
    });

  it("byte-level BPE, truncated", async () => {
    const letters = ["H", "e", "l", "o", "Ġ", "w", "r", "d"];
    const merges = ["l l", "H e", "He ll", "Hell o", "Ġ w", "Ġw o", "r l", "Ġwo rl", "Ġworl d"];
    const tokens = [...letters, ...merges.map((merge) => merge.replace(" ", "")), "<|end|>"];
    const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
    const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
    const tokenizer = openTokenizer(
      {
        tokenizerJson: {
          added_tokens: [{ id: vocab["<|end|>"], content: "<|end|>", special: true }],
          normalizer: null,
          pre_tokenizer: byteLevel,
          post_processor: byteLevel,
          decoder: byteLevel,
          model: { type: "BPE", vocab, merges },
        },
        tokenizerConfig: { unk_token: "<|end|>", tokenizer_class: "PreTrainedTokenizerFast" },
      },
      { maxLength: 8 },
    );
    const [hello, world] = [vocab["Hello"], vocab["Ġworld"]];
    assert.equal(tokenizer.special.unk, vocab["<|end|>"]);
    const short = await tokenizer.encode("Hello world");
    assert.deepEqual([...short.ids], [hello, world]);
    assert.equal(tokenizer.decode(short.ids), "Hello world");
    const long = await tokenizer.encode("Hello world".repeat(20));
    assert.deepEqual([...long.ids], [hello, world, hello, world, hello, world, hello, world]);
    assert.equal(long.truncated, true);
    assert.equal(long.offsets.length, 0);
  });
});
