/** Words of tokens, and spans of words: prefixes of IOB2, their repair, places in UTF-16. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { firstTokens, spansOf } from "../../src/work/tasks/spans.ts";

describe("words", () => {
  const words = (text: string, ...tokens: readonly string[]): readonly string[] => {
    let at = 0;
    const offsets = [0, 0]; // a special token before all others
    for (const token of tokens) {
      const start = text.indexOf(token, at);
      at = start + token.length;
      offsets.push(start, at);
    }
    return firstTokens(text, Int32Array.from([...offsets, 0, 0])).map(
      ({ token, start, end }) => `${token}:${text.slice(start, end)}`,
    );
  };

  test("pieces of a word are one, punctuation and what white space parts are others", () => {
    assert.deepEqual(words("Ms Smithson, Rome", "Ms", "Smith", "son", ",", "Rome"), [
      "1:Ms",
      "2:Smithson",
      "4:,",
      "5:Rome",
    ]);
    assert.deepEqual(words("U.S. e-mail", "U", ".", "S", ".", "e", "-", "mail").length, 7);
  });

  test("letters beyond the basic plane and combining marks stay within their word", () => {
    assert.deepEqual(words("\u{1D400}\u{1D401} e\u0301t", "\u{1D400}", "\u{1D401}", "e", "\u0301t"), [
      "1:\u{1D400}\u{1D401}",
      "3:e\u0301t",
    ]);
    assert.deepEqual(words("a\u{1F600}b", "a", "\u{1F600}", "b").length, 3);
  });

  test("two tokens of one character, as byte-level tokenizers have them, are one word", () => {
    assert.deepEqual(firstTokens("\u{1F600}", Int32Array.of(0, 2, 0, 2)).length, 2);
    assert.deepEqual(firstTokens("ab", Int32Array.of(0, 1, 1, 2)), [{ token: 0, start: 0, end: 2 }]);
  });
});

describe("spans", () => {
  const spans = (...labels: readonly string[]): readonly string[] => {
    const text = labels.map((_, i) => String.fromCharCode(97 + i)).join(" ");
    const words = labels.map((label, i) => ({ start: 2 * i, end: 2 * i + 1, label, probability: (i + 1) / 10 }));
    return spansOf(text, words).map(({ label, start, end, text: said, probability }) => {
      assert.equal(said, text.slice(start, end));
      return `${label} ${said} ${probability.toFixed(2)}`;
    });
  };

  test("B- begins one, I- goes on, O ends it", () => {
    assert.deepEqual(spans("B-per", "I-per", "O", "B-loc", "B-loc"), ["per a b 0.15", "loc d 0.40", "loc e 0.50"]);
  });

  test("an I- with nothing of its kind before it begins one", () => {
    assert.deepEqual(spans("I-per", "I-per", "I-loc", "O", "I-loc"), ["per a b 0.15", "loc c 0.30", "loc e 0.50"]);
  });

  test("labels without prefixes: neighbours of one kind are one span", () => {
    assert.deepEqual(spans("per", "per", "loc", "O", "loc"), ["per a b 0.15", "loc c 0.30", "loc e 0.50"]);
    assert.deepEqual(spans("O", "O"), []);
  });
});
