import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { checkTokenizer, loadTokenizer, openIsolatedTokenizer, trainWordPiece } from "../../src/language/text/index.ts";

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
    it(name, async () => {
      assert.throws(() => loadTokenizer({ tokenizerJson }), { code: "TOKENIZER_INVALID", message });
      await assert.rejects(checkTokenizer({ tokenizerJson }), { code: "TOKENIZER_INVALID" });
      await assert.rejects(openIsolatedTokenizer({ tokenizerJson }), { code: "TOKENIZER_INVALID" });
    });
  }

  it("a config whose token is a number", () => {
    assert.throws(() => loadTokenizer({ tokenizerJson: good, tokenizerConfig: { pad_token: 5 } }), {
      code: "TOKENIZER_INVALID",
      message: /pad_token/,
    });
  });
});

describe("regular expressions from a stranger", () => {
  it("are not run on the calling thread", () => {
    assert.throws(() => loadTokenizer({ tokenizerJson: withPattern("\\w+") }), {
      code: "TOKENIZER_INVALID",
      message: /pre_tokenizer\.pattern\.Regex.*not run here/,
    });
  });

  it("pass the probe when they end", async () => {
    assert.equal(await checkTokenizer({ tokenizerJson: good }), "thread");
    assert.equal(await checkTokenizer({ tokenizerJson: withPattern("\\s+") }, { timeoutMs: 20_000 }), "isolated");
  });

  it("are stopped when they do not: (a+)+$", async () => {
    const started = performance.now();
    await assert.rejects(checkTokenizer({ tokenizerJson: withPattern("(a+)+$") }, { timeoutMs: 300 }), {
      code: "TOKENIZER_INVALID",
      message: /within 300 ms/,
    });
    assert.ok(performance.now() - started < 8_000);
  });

  it("run isolated under a time limit for each text, and the tokenizer goes on afterwards", async () => {
    await using tokenizer = await openIsolatedTokenizer(
      { tokenizerJson: withPattern("(?:x+)+y|\\s+") },
      { timeoutMs: 400 },
    );
    assert.equal(tokenizer.special.cls, 2);
    const fine = await tokenizer.encode("the card");
    assert.equal(fine.ids[0], 2);
    const slow = tokenizer.encode("x".repeat(64));
    const waiting = tokenizer.encode("the card");
    await assert.rejects(slow, { code: "TOKENIZER_INVALID", message: /a text of 64 characters within 400 ms/ });
    assert.deepEqual((await waiting).ids, fine.ids);
  });

  it("and so do parts that rewrite the text without bound", async () => {
    const doubling = changed((json) => {
      json["normalizer"] = {
        type: "Sequence",
        normalizers: Array.from({ length: 60 }, () => ({ type: "Replace", pattern: { String: "a" }, content: "aa" })),
      };
    });
    assert.throws(() => loadTokenizer({ tokenizerJson: doubling }), {
      code: "TOKENIZER_INVALID",
      message: /normalizer\.normalizers\.0 \(Replace\)/,
    });
    await assert.rejects(checkTokenizer({ tokenizerJson: doubling }, { timeoutMs: 500 }), {
      code: "TOKENIZER_INVALID",
    });
    const standing = changed((json) => {
      json["pre_tokenizer"] = { type: "FixedLength", length: 0 };
    });
    assert.throws(() => loadTokenizer({ tokenizerJson: standing }), {
      code: "TOKENIZER_INVALID",
      message: /FixedLength/,
    });
    await assert.rejects(checkTokenizer({ tokenizerJson: standing }, { timeoutMs: 500 }), {
      code: "TOKENIZER_INVALID",
    });
  });

  it("refuse after closing", async () => {
    const tokenizer = await openIsolatedTokenizer({ tokenizerJson: good });
    await tokenizer.close();
    await assert.rejects(tokenizer.encode("a"), { code: "CANCELLED" });
  });
});

describe("other families", () => {
  const folder = new URL("../../../shared/models/gpt2-tokenizer/", import.meta.url);
  it(
    "byte-level BPE runs through the library, without offsets, truncated",
    { skip: existsSync(folder) ? false : "no ../shared/models/gpt2-tokenizer beside this checkout" },
    () => {
      const vocab = JSON.parse(readFileSync(new URL("encoder.json", folder), "utf8")) as Record<string, number>;
      const merges = readFileSync(new URL("vocab.bpe", folder), "utf8")
        .split("\n")
        .slice(1)
        .filter((line) => line !== "");
      const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
      const tokenizerJson = {
        added_tokens: [{ id: 50256, content: "<|endoftext|>", special: true }],
        normalizer: null,
        pre_tokenizer: byteLevel,
        post_processor: byteLevel,
        decoder: byteLevel,
        model: { type: "BPE", vocab, merges, continuing_subword_prefix: "", end_of_word_suffix: "" },
      };
      const tokenizer = loadTokenizer(
        { tokenizerJson, tokenizerConfig: { unk_token: "<|endoftext|>" } },
        { maxLength: 8 },
      );
      assert.equal(tokenizer.aligned, false);
      assert.equal(tokenizer.vocabSize, 50257);
      assert.equal(tokenizer.special.unk, 50256);
      const short = tokenizer.encode("Hello world");
      assert.deepEqual([...short.ids], [15496, 995]);
      assert.equal(tokenizer.decode(short.ids), "Hello world");
      const long = tokenizer.encode("Hello world".repeat(20));
      assert.deepEqual([...long.ids], [15496, 995, 15496, 995, 15496, 995, 15496, 995]);
      assert.equal(long.truncated, true);
      assert.deepEqual(long.offsets, []);
      assert.throws(() => tokenizer.encode("Hello", { pair: "world" }), {
        code: "INPUT_INVALID",
        message: /does not join/,
      });
    },
  );
});
