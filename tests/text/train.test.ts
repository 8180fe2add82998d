import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Tokenizer as Reference } from "tokenizers";
import fc from "fast-check";
import { loadTokenizer, trainWordPiece } from "../../src/language/text/index.ts";
import { mergePairs } from "../../src/language/text/merges.ts";

/** The oracle: counts every pair anew before each merge. */
function naiveMerges(words: number[][], counts: readonly number[], minFrequency: number, limit: number): string[] {
  const chosen: string[] = [];
  let next = 100;
  while (chosen.length < limit) {
    const pairs = new Map<string, { a: number; b: number; count: number }>();
    words.forEach((pieces, w) => {
      for (let i = 1; i < pieces.length; i++) {
        const [a, b] = [pieces[i - 1] as number, pieces[i] as number];
        const entry = pairs.get(`${a} ${b}`) ?? { a, b, count: 0 };
        entry.count += counts[w] as number;
        pairs.set(`${a} ${b}`, entry);
      }
    });
    const best = [...pairs.values()].sort((x, y) => y.count - x.count || x.a - y.a || x.b - y.b)[0];
    if (best === undefined || best.count < minFrequency) break;
    chosen.push(`${best.a} ${best.b} -> ${next}`);
    for (const pieces of words) {
      for (let i = 0; i + 1 < pieces.length; i++)
        if (pieces[i] === best.a && pieces[i + 1] === best.b) pieces.splice(i, 2, next);
    }
    next++;
  }
  return chosen;
}

describe("mergePairs", () => {
  it("chooses as the naive count does, runs of one piece included", () => {
    const word = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(word, fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 3 }),
        (entries, minFrequency) => {
          const counts = entries.map(([, count]) => count);
          const chosen: string[] = [];
          mergePairs(
            entries.map(([pieces]) => [...pieces]),
            counts,
            minFrequency,
            (a, b) => {
              if (chosen.length >= 20) return undefined;
              chosen.push(`${a} ${b} -> ${100 + chosen.length}`);
              return 99 + chosen.length;
            },
          );
          assert.deepEqual(
            chosen,
            naiveMerges(
              entries.map(([pieces]) => [...pieces]),
              counts,
              minFrequency,
              20,
            ),
          );
        },
      ),
      { numRuns: 500, seed: 5 },
    );
  });
});

describe("trainWordPiece", () => {
  const texts = [
    "the card has not arrived",
    "the card arrived",
    "where is the card?",
    "Carding the cards, carded.",
    "naïve 日本 cards",
  ];

  it("does not depend on the order of the texts", () => {
    const forward = trainWordPiece(texts, { vocabSize: 90, minFrequency: 1 });
    const backward = trainWordPiece([...texts].reverse(), { vocabSize: 90, minFrequency: 1 });
    assert.deepEqual(backward.files, forward.files);
    assert.ok(forward.vocabSize <= 90);
  });

  it("covers its own texts, and the reference reads its file alike", async () => {
    const tokenizer = trainWordPiece(texts, { vocabSize: 120, minFrequency: 1, specialTokens: ["[USER]"] });
    const reference = Reference.fromString(tokenizer.files["tokenizer.json"]);
    for (const text of [...texts, "[USER] card cards"]) {
      const { ids } = tokenizer.encode(text);
      assert.ok(!ids.includes(tokenizer.special.unk), text);
      assert.deepEqual([...ids], (await reference.encode(text)).getIds());
    }
    assert.equal(tokenizer.encode("[USER]").ids[1], 5);
    assert.equal(tokenizer.decode(tokenizer.encode("the card arrived").ids), "the card arrived");
  });

  it("loads again from its files as the same tokenizer", () => {
    const made = trainWordPiece(texts, { vocabSize: 100, minFrequency: 1, lowercase: false, maxLength: 32 });
    const loaded = loadTokenizer(
      {
        tokenizerJson: made.files["tokenizer.json"],
        tokenizerConfig: JSON.parse(made.files["tokenizer_config.json"]) as object,
      },
      { maxLength: 32 },
    );
    assert.deepEqual(loaded.files, made.files);
    assert.deepEqual(loaded.encode("Carding the CARDS"), made.encode("Carding the CARDS"));
  });

  it("drops the rarest characters first when the alphabet is limited", () => {
    const tokenizer = trainWordPiece(["aaaa bbbb cccc", "aaaa bbbb", "aaaa"], {
      vocabSize: 64,
      limitAlphabet: 2,
      minFrequency: 1,
    });
    assert.ok(!tokenizer.encode("bb aa").ids.includes(tokenizer.special.unk));
    assert.equal(tokenizer.encode("cc").ids[1], tokenizer.special.unk);
  });

  it("refuses what it cannot learn from", () => {
    assert.throws(() => trainWordPiece([" ", ""]), { code: "DATA_INVALID" });
    assert.throws(() => trainWordPiece(["a"], { vocabSize: 10 }), { code: "OPTION_INVALID", message: /vocabSize/ });
    assert.throws(() => trainWordPiece(["a"], { vocab_size: 100 } as object), {
      code: "OPTION_INVALID",
      message: /vocab_size/,
    });
    assert.throws(() => trainWordPiece(["a"], { specialTokens: ["[CLS]"] }), { code: "OPTION_INVALID" });
    assert.throws(() => trainWordPiece(["fine", "\ud800"]), { code: "INPUT_INVALID", message: /text 1/ });
  });
});
