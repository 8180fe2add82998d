import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { loadTokenizer, type SyncTokenizer } from "../../src/language/text/index.ts";
import { oddTexts, trainTiny } from "./golden/tiny.ts";

interface Golden {
  readonly items: readonly {
    ids: number[];
    offsets: [number, number][];
    decoded: string;
    pair: { ids: number[]; typeIds: number[] };
  }[];
}

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const tiny = (name: string, maxLength = 512): SyncTokenizer =>
  loadTokenizer({ tokenizerJson: read(`../tiny/tokenizer-${name}/tokenizer.json`) }, { maxLength });

for (const name of ["uncased", "cased"]) {
  describe(`against Python's tokenizers, ${name}`, () => {
    const tokenizer = tiny(name);
    const golden = JSON.parse(read(`golden/expected-${name}.json`)) as Golden;
    oddTexts.forEach((text, i) =>
      it(JSON.stringify(text), () => {
        const expected = golden.items[i];
        assert.ok(expected);
        const encoded = tokenizer.encode(text, { offsets: true });
        assert.deepEqual([...encoded.ids], expected.ids);
        assert.deepEqual([...encoded.offsets], expected.offsets.flat());
        assert.deepEqual(tokenizer.encode(text), { ...encoded, offsets: new Int32Array(0) });
        assert.equal(tokenizer.decode(encoded.ids), expected.decoded);
        const pair = tokenizer.encode(text, { pair: oddTexts[(i + 7) % oddTexts.length] as string, maxLength: 12 });
        assert.deepEqual([...pair.ids], expected.pair.ids);
        assert.deepEqual([...pair.typeIds], expected.pair.typeIds);
      }),
    );
  });
}

describe("properties", () => {
  const tokenizer = tiny("uncased");
  const ordinary = fc.string({
    unit: fc.oneof(
      fc.constantFrom(...Array.from("abc XYZ é Ü ß 日 本 ' - . , ! ? $ 1 2 [SEP] \t\n")),
      fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 1 }),
    ),
    maxLength: 60,
  });

  it("keeps offsets in order, inside the text, on whole characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 80 }), (text) => {
        const { ids, offsets } = tokenizer.encode(text, { offsets: true });
        assert.equal(offsets.length, 2 * ids.length);
        let last = 0;
        for (let i = 1; i < ids.length - 1; i++) {
          const [start, end] = [offsets[2 * i] as number, offsets[2 * i + 1] as number];
          assert.ok(start < end && end <= text.length && start >= last, `${start} ${end} after ${last}`);
          assert.ok(text.slice(start, end).isWellFormed());
          last = start;
        }
      }),
      { numRuns: 500, seed: 2 },
    );
  });

  it("gives at most maxLength tokens, cut from the right, and says so", () => {
    fc.assert(
      fc.property(
        ordinary,
        fc.option(ordinary, { nil: undefined }),
        fc.integer({ min: 4, max: 40 }),
        (text, pair, maxLength) => {
          const options = pair === undefined ? {} : { pair };
          const whole = tokenizer.encode(text, options);
          const cut = tokenizer.encode(text, { ...options, maxLength });
          assert.equal(cut.truncated, whole.ids.length > maxLength);
          assert.equal(cut.ids.length, Math.min(whole.ids.length, maxLength));
          assert.equal(cut.ids.at(-1), tokenizer.special.sep);
          if (pair === undefined) assert.deepEqual(cut.ids.slice(0, -1), whole.ids.slice(0, cut.ids.length - 1));
        },
      ),
      { numRuns: 200, seed: 3 },
    );
  });

  it("encodes the same again, whatever was encoded between", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (text, other) => {
        const first = tokenizer.encode(text);
        tokenizer.encode(other);
        assert.deepEqual(tokenizer.encode(text), first);
      }),
      { numRuns: 100, seed: 4 },
    );
  });
});

describe("long texts", () => {
  const tokenizer = tiny("uncased", 16);
  it("an overlong word is one unknown token with its true end", () => {
    const encoded = tokenizer.encode(`${"é".repeat(5_000)} card`, { offsets: true });
    assert.deepEqual([...encoded.ids].slice(0, 2), [tokenizer.special.cls, tokenizer.special.unk]);
    assert.deepEqual([...encoded.offsets.slice(2, 4)], [0, 5_000]);
    assert.equal(encoded.ids[2], tokenizer.encode("card").ids[1]);
  });
  it("added tokens win over words, the longest first", () => {
    const json = JSON.parse(read("../tiny/tokenizer-uncased/tokenizer.json")) as {
      added_tokens: object[];
      model: { vocab: object };
    };
    const size = Object.keys(json.model.vocab).length;
    for (const [i, content] of ["<a>", "<a><b>"].entries())
      json.added_tokens.push({ id: size + i, content, special: true, normalized: false });
    const { ids, offsets } = loadTokenizer({ tokenizerJson: json }).encode("<a><b><a> <a", { offsets: true });
    assert.deepEqual([...ids.slice(1, 3)], [size + 1, size]);
    assert.deepEqual([...offsets.slice(2, 6)], [0, 6, 6, 9]);
    assert.ok(!ids.slice(3).includes(size));
  });
});

describe("refusals", () => {
  const tokenizer = tiny("uncased", 64);
  const cases: [string, () => unknown, RegExp, string][] = [
    ["half a character", () => tokenizer.encode("ab\ud800c"), /code unit 2/, "INPUT_INVALID"],
    ["no string", () => tokenizer.encode(5 as unknown as string), /of type number/, "INPUT_INVALID"],
    ["a bad second text", () => tokenizer.encode("a", { pair: "\udc00" }), /second text/, "INPUT_INVALID"],
    ["too long a text", () => tokenizer.encode("a".repeat((1 << 20) + 1)), /1048577/, "INPUT_TOO_LARGE"],
    ["maxLength without room", () => tokenizer.encode("a", { maxLength: 2 }), /from 3/, "OPTION_INVALID"],
    ["maxLength above the tokenizer's", () => tokenizer.encode("a", { maxLength: 65 }), /to 64/, "OPTION_INVALID"],
    ["an unknown id", () => tokenizer.decode([1, 99_999]), /id 99999/, "INPUT_INVALID"],
  ];
  for (const [name, run, message, code] of cases) it(name, () => assert.throws(run, { code, message }));
});

describe("training", () => {
  it("reproduces the committed tokenizers byte for byte", async () => {
    for (const [name, lowercase] of [
      ["uncased", true],
      ["cased", false],
    ] as const) {
      for (const [file, text] of Object.entries(await trainTiny(lowercase)))
        assert.equal(text, read(`../tiny/tokenizer-${name}/${file}`), `${name}/${file}`);
    }
  });
});
