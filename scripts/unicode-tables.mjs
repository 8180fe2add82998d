/**
 * Writes src/language/text/unicode-tables.ts: what the reference tokenizer (npm `tokenizers`) takes each code point
 * for, asked of the library itself, so that ids depend neither on its tables' age nor on those of the running Node.
 * `node scripts/unicode-tables.mjs`, then Prettier; tests/text/reference.long.test.ts compares every code point.
 */
import { writeFileSync } from "node:fs";
import tokenizers from "tokenizers";
import { charsmapOf } from "../tests/text/charsmap.ts";

const bert = (options) =>
  tokenizers.bertNormalizer({
    cleanText: false,
    handleChineseChars: false,
    stripAccents: false,
    lowercase: false,
    ...options,
  });
const clean = bert({ cleanText: true });
const strip = bert({ stripAccents: true });
const marks = tokenizers.stripAccentsNormalizer();
const words = tokenizers.whitespacePreTokenizer();
const punctuation = tokenizers.punctuationPreTokenizer();
const digits = tokenizers.digitsPreTokenizer(true);
const nfd = tokenizers.nfdNormalizer();
const nfkd = tokenizers.nfkdNormalizer();

/** A class of the library's regular expressions. */
const matching = (Regex) => {
  const split = { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false };
  const model = { type: "BPE", vocab: { a: 0 }, merges: [] };
  return tokenizers.Tokenizer.fromString(
    JSON.stringify({ version: "1.0", added_tokens: [], pre_tokenizer: split, model }),
  ).getPreTokenizer();
};
const letters = matching("\\p{L}");
const numbers = matching("\\p{N}");

/** A map of one character: where it is a cluster's first, all of a short cluster becomes "Z". */
const mapOf = (key) => tokenizers.precompiled([...Buffer.from(charsmapOf([[key, "Z"]]), "base64")]);
const [letterMap, markMap, indicMap] = [mapOf("a"), mapOf("\u0301"), mapOf("\u092e")];
const isConjunct = (before) => indicMap.normalizeString(`${before}\u092e\u0302`).endsWith("\u0302");

/** One character of each canonical combining class, in the order of the classes. */
const CLASSES = (
  "334 93c 3099 94d 5b0 5b1 5b2 5b3 5b4 5b5 5b6 5b7 5b8 5b9 5bb 5bc 5bd 5bf 5c1 5c2 fb1e 64b 64c 64d 64e 64f 650 651 " +
  "652 670 711 c55 c56 e38 e48 eb8 ec8 f71 f72 f74 321 1dce 31b 302a 316 59a 302e 1d16d 302b 300 315 35c 35d 345"
)
  .split(" ")
  .map((hex) => String.fromCodePoint(parseInt(hex, 16)));

const swaps = (a, b) => nfd.normalizeString(a + b) !== a + b;
function combiningClass(character) {
  if (nfd.normalizeString(character) !== character) return 0;
  if (!swaps("\u0345", character) && !swaps(character, "\u0334") && character !== "\u0345" && character !== "\u0334") {
    return 0;
  }
  const index = CLASSES.findIndex((one) => !swaps(one, character) && !swaps(character, one));
  if (index < 0) throw new Error(`no class for ${character.codePointAt(0).toString(16)}`);
  return index + 1;
}

const sets = {
  PUNCTUATION: [],
  WORD: [],
  DROPPED: [],
  NONSPACING: [],
  MARK: [],
  NUMERIC: [],
  LETTER: [],
  NUMBER: [],
  JOINS: [],
  PARTS: [],
  LEADS: [],
  CONSONANTS: [],
  LINKERS: [],
  KEEPERS: [],
  INERT: [],
};
const classes = [];
for (let code = 0; code < 0x110000; code++) {
  if (code >= 0xd800 && code < 0xe000) continue;
  const character = String.fromCodePoint(code);
  const between = `a${character}a`;
  if (punctuation.preTokenizeString(between).length === 3) sets.PUNCTUATION.push(code);
  if (words.preTokenizeString(between).length === 1) sets.WORD.push(code);
  if (digits.preTokenizeString(between).length === 3) sets.NUMERIC.push(code);
  const apart = `.${character}.`;
  if (letters.preTokenizeString(apart).length === 3) sets.LETTER.push(code);
  if (numbers.preTokenizeString(apart).length === 3) sets.NUMBER.push(code);
  if (letterMap.normalizeString(`a${character}`) === "Z") sets.JOINS.push(code);
  if (markMap.normalizeString(`${character}\u0301\u0302`).endsWith("Z")) sets.PARTS.push(code);
  if (letterMap.normalizeString(`${character}a\u0302`).endsWith("Z\u0302")) sets.LEADS.push(code);
  if (isConjunct(`${character}\u094d`)) sets.CONSONANTS.push(code);
  if (isConjunct(`\u0915${character}`)) sets.LINKERS.push(code);
  if (isConjunct(`\u0915\u094d${character}`)) sets.KEEPERS.push(code);
  if (clean.normalizeString(character) === "") sets.DROPPED.push(code);
  if (strip.normalizeString(character) === "") sets.NONSPACING.push(code);
  if (marks.normalizeString(character) === "") sets.MARK.push(code);
  const decomposes = character.normalize("NFKD") !== character;
  if (decomposes && nfkd.normalizeString(character) !== character.normalize("NFKD")) {
    sets.INERT.push(code);
    const first = character.normalize("NFD").codePointAt(0);
    if (first !== code) sets.INERT.push(first);
  } else if (!decomposes && /\p{M}/u.test(character)) {
    const combining = combiningClass(character);
    if (combining > 0) classes.push([code, combining]);
    else if (`\u0345${character}`.normalize("NFD") !== `\u0345${character}`) sets.INERT.push(code);
  }
}

/** "skip length skip length …" in base 36: how many code points are passed over, then how many belong. */
function ranges(codes) {
  const out = [];
  let end = 0;
  const sorted = [...new Set(codes)].sort((a, b) => a - b);
  for (let i = 0; i < sorted.length;) {
    let j = i + 1;
    while (j < sorted.length && sorted[j] === sorted[j - 1] + 1) j++;
    out.push((sorted[i] - end).toString(36), (j - i).toString(36));
    end = sorted[j - 1] + 1;
    i = j;
  }
  return out.join(" ");
}

/** "skip length class …" likewise. */
function classed(pairs) {
  const out = [];
  let end = 0;
  for (let i = 0; i < pairs.length;) {
    let j = i + 1;
    while (j < pairs.length && pairs[j][0] === pairs[j - 1][0] + 1 && pairs[j][1] === pairs[i][1]) j++;
    out.push((pairs[i][0] - end).toString(36), (j - i).toString(36), pairs[i][1].toString(36));
    end = pairs[j - 1][0] + 1;
    i = j;
  }
  return out.join(" ");
}

const lines = (text) => {
  const out = [""];
  for (const word of text.split(" ")) {
    if (out[out.length - 1].length + word.length > 105) out.push("");
    out[out.length - 1] += `${word} `;
  }
  return out.map((line) => `  ${JSON.stringify(line)}`).join(" +\n");
};
const notes = {
  PUNCTUATION: "What stands alone as punctuation.",
  WORD: "`\\w` of the `Whitespace` pre-tokenizer and of `single_word`.",
  DROPPED: "What `clean_text` drops.",
  NONSPACING: "What BertNormalizer's `strip_accents` drops.",
  MARK: "What the `StripAccents` normalizer drops.",
  NUMERIC: "What `Digits` takes for a digit.",
  LETTER: "`\\p{L}` of a regular expression.",
  NUMBER: "`\\p{N}` of a regular expression, which knows fewer than `Digits`.",
  JOINS: "What is one cluster with the character before it.",
  PARTS: "What no character joins: controls and line breaks.",
  LEADS: "What is one cluster with the character after it.",
  CONSONANTS: "What a linker joins to the next of them.",
  LINKERS: "What stands between two consonants of one cluster.",
  KEEPERS: "What may stand there beside a linker.",
  INERT: "Younger than the reference's normalization tables: neither decomposed, composed nor reordered.",
};
let text =
  "/**\n * What the reference tokenizer takes each code point for. Made by scripts/unicode-tables.mjs; not edited.\n" +
  " * Each table is pairs in base 36: code points passed over, code points that belong.\n */\n";
for (const [name, codes] of Object.entries(sets)) {
  text += `\n/** ${notes[name]} */\nexport const ${name} =\n${lines(ranges(codes))};\n`;
}
text += "\n/** Canonical combining classes, as their rank among all classes: triples, the third is the rank. */\n";
text += `export const COMBINING =\n${lines(classed(classes))};\n`;
writeFileSync(new URL("../src/language/text/unicode-tables.ts", import.meta.url), text);
