import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Tokenizer as Reference } from "tokenizers";
import { loadTokenizer, trainBytePairs } from "../../src/language/text/index.ts";
import { NASTY } from "./pieces.ts";
import { randomTexts } from "./reference.ts";

const texts = [
  "the card has not arrived",
  "the card arrived; where's the card?",
  "naïve 日本語 cards, 日本 12345",
  "the\r\n\r\n  cards 😀😀 carded.",
];
const nasty = [...randomTexts(60, 21, NASTY)];

describe("trainBytePairs", () => {
  it("does not depend on the order of the texts, and its files stay what they are", () => {
    const forward = trainBytePairs(texts, { vocabSize: 300, minFrequency: 1 });
    const backward = trainBytePairs([...texts].reverse(), { vocabSize: 300, minFrequency: 1 });
    assert.deepEqual(backward.files, forward.files);
    assert.equal(forward.vocabSize, 300);
    const again = loadTokenizer({
      tokenizerJson: forward.files["tokenizer.json"],
      tokenizerConfig: JSON.parse(forward.files["tokenizer_config.json"]) as object,
    });
    assert.deepEqual(again.files, forward.files);
    assert.deepEqual(again.special, forward.special);
  });

  it("joins the most frequent pairs first, of equal ones those with the smaller ids", () => {
    const { files } = trainBytePairs(["ab ab ab", "abc"], { vocabSize: 300, minFrequency: 2, pattern: "gpt2" });
    const { model } = JSON.parse(files["tokenizer.json"]) as { model: { merges: string[] } };
    assert.deepEqual(model.merges, ["a b", "Ġ ab"]);
  });

  for (const pattern of ["gpt2", "llama3", "qwen2"] as const)
    for (const layout of ["decoder", "encoder"] as const)
      it(`${pattern}, ${layout}: the reference reads its file alike`, async () => {
        const made = trainBytePairs([...texts, ...nasty], {
          vocabSize: 400,
          pattern,
          layout,
          specialTokens: ["<|user|>"],
        });
        const reference = Reference.fromString(made.files["tokenizer.json"]);
        for (const text of [...texts, ...nasty, "<|user|>card<|endoftext|><mask>"]) {
          const { ids } = made.encode(text);
          assert.deepEqual([...ids], (await reference.encode(text)).getIds(), text);
        }
        const { pad, eos, unk } = made.special;
        assert.ok(Math.min(pad, eos, unk) >= 0);
      });

  it("gives every text back unchanged", () => {
    const made = trainBytePairs(texts, { vocabSize: 300, minFrequency: 1 });
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        assert.equal(made.decode(made.encode(text).ids), text);
      }),
      { numRuns: 120, seed: 8 },
    );
  });

  it("refuses what it cannot learn from", () => {
    assert.throws(() => trainBytePairs(["", ""]), { code: "DATA_INVALID" });
    assert.throws(() => trainBytePairs(["a"], { vocabSize: 100 }), { code: "OPTION_INVALID", message: /vocabSize/ });
    assert.throws(() => trainBytePairs(["a"], { specialTokens: ["<|pad|>"] }), { code: "OPTION_INVALID" });
    assert.throws(
      () => trainBytePairs(["a"], { vocabSize: 300, specialTokens: Array.from({ length: 60 }, (_, i) => `<${i}>`) }),
      { code: "OPTION_INVALID", message: /too small for 62 special tokens/ },
    );
    assert.throws(() => trainBytePairs(["fine", "\ud800"]), { code: "INPUT_INVALID", message: /text 1/ });
  });
});
