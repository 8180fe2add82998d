/**
 * The same at length, over every code point, and with published vocabularies, the larger of which are not part of the
 * repository. The digests are of all ids of 5,000 texts. Amid letters that have no case, and amid code points that are
 * none, one block of sixteen is tried for each expression; LOCKSTEP_CODE_POINTS=all tries every one. @concurrent
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, test } from "node:test";
import { loadTokenizer } from "../../src/language/text/index.ts";
import { storiesTokenizer } from "../generate/stories-files.ts";
import { storiesReference } from "../models/stories.ts";
import { GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN } from "../../src/language/text/scanners.ts";
import { comparePieces, jsonOf, KINDS, NASTY, normalizersOfCharsmap, splitJson } from "./pieces.ts";
import { randomTexts } from "./reference.ts";

const digests = JSON.parse(readFileSync(new URL("golden/piece-digests.json", import.meta.url), "utf8")) as {
  long: Record<string, string>;
};
const texts = [...randomTexts(5000, 13, NASTY)];

describe("5,000 random texts", () => {
  for (const [name, kind] of Object.entries(KINDS))
    it(name, async () => {
      assert.equal(await comparePieces(name, jsonOf(kind), texts, kind.aligned ?? false), digests.long[name]);
    });
});

const everyOne = process.env["LOCKSTEP_CODE_POINTS"] === "all";

function charactersOf(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => from + i)
    .filter((code) => code >= 0 && code < 0x110000 && (code < 0xd800 || code >= 0xe000))
    .map((code) => String.fromCodePoint(code));
}

test("code points between letters, digits, spaces, line breaks and quotes, for each expression", async () => {
  const around: string[] = [];
  for (let from = 0; from < 0x110000; from += 8) {
    if ((from >= 0x33480 && from < 0xe0000 && from % 4096 !== 0) || (from >= 0xe0200 && from % 4096 !== 0)) continue;
    const near = charactersOf(from - 8, 24).join("");
    if (!everyOne && from % 128 !== 0 && /^(?:\p{Lo}+|\p{Cn}+)$/u.test(near)) continue;
    around.push(
      charactersOf(from, 8)
        .map((one) => `a${one}b ${one}1${one}'${one} \n${one}\r ${one}${one}.`)
        .join(""),
    );
  }
  for (const pattern of [GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN])
    await comparePieces(pattern, splitJson(pattern), around, true);
});

test("every code point in a cluster of characters, for a table of characters", () => {
  const [reference, own] = normalizersOfCharsmap();
  const differ: string[] = [];
  for (let code = 1; code < 0x110000; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    if (code >= 0x33480 && code < 0xe0000 && code % 4096 !== 0) continue;
    const one = String.fromCodePoint(code);
    const texts = [`E${one}`, `${one}E\u0302`, `${one}\u0301\u0302`, `ᄀ${one}\u0301`, `가${one}\u0301`, `म${one}`];
    for (const text of [...texts, `क\u094d${one}\u0301`, `${one}\u094dम\u0302`, `क${one}म\u0302`, `E\u0301${one}`])
      if (own(text) !== reference(text)) differ.push(`${JSON.stringify(text)} (${code.toString(16)})`);
  }
  assert.deepEqual(differ.slice(0, 10), []);
});

const MODELS = process.env["LOCKSTEP_MODELS"] ?? join(import.meta.dirname, "../../../shared/models");
const skip = existsSync(MODELS) ? false : `no models at ${MODELS}; name their folder in LOCKSTEP_MODELS`;

describe("published vocabularies", () => {
  const publish: Record<string, () => string> = {
    "GPT-2": () =>
      loadTokenizer({
        vocabJson: readFileSync(join(MODELS, "gpt2-tokenizer/encoder.json"), "utf8"),
        mergesTxt: readFileSync(join(MODELS, "gpt2-tokenizer/vocab.bpe"), "utf8"),
      }).files["tokenizer.json"],
    stories260K: storiesTokenizer,
    MiniLM: () => {
      const json = JSON.parse(readFileSync(join(MODELS, "all-MiniLM-L6-v2/tokenizer.json"), "utf8")) as object;
      return JSON.stringify({ ...json, truncation: null, padding: null });
    },
  };
  for (const [name, make] of Object.entries(publish))
    it(`${name}: the reference's ids and texts`, { skip: name === "stories260K" ? false : skip }, async () => {
      assert.equal(await comparePieces(name, make(), texts, name !== "MiniLM"), digests.long[`published ${name}`]);
    });

  it("stories260K's text is the one that its ids were written with", () => {
    const reference = storiesReference();
    const own = loadTokenizer({ tokenizerJson: storiesTokenizer() });
    const text = own.decode(reference.ids);
    assert.ok(reference.greedy_text.replaceAll("<0x0A>", "\n").trim().startsWith(text.trim()));
    assert.deepEqual([...own.encode(text).ids], reference.ids);
  });
});
