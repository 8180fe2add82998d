/** JSON that loses nothing in silence: repeated keys, numbers beyond 2^53, and where in the text they stand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type LockstepError, parseStrictJson, repeatedKey, type StrictJsonOptions } from "../../src/base/index.ts";

const read = (text: string, options: Partial<StrictJsonOptions> = {}): unknown =>
  parseStrictJson(text, { what: "the text", ...options });

function refusal(text: string, options: Partial<StrictJsonOptions> = {}): LockstepError {
  try {
    read(text, options);
  } catch (error) {
    return error as LockstepError;
  }
  return assert.fail(`${text.slice(0, 100)} was read`);
}

test("what JSON.parse reads without loss is read as the same value, whatever happens with large numbers", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.boolean(), (value, spaced) => {
      const text = JSON.stringify(value, null, spaced ? 2 : 0);
      // -0 and numbers from 1e21 on are written with an exponent or a sign; none of them is a long row of digits
      const hasLarge = /\d{16}/.test(text);
      for (const largeNumbers of ["round", "digits", "refuse"] as const)
        if (!hasLarge || largeNumbers === "round") assert.deepEqual(read(text, { largeNumbers }), JSON.parse(text));
    }),
  );
});

test("a key that stands twice is refused where it stands the second time, however it is written", () => {
  for (const [text, key, line, column] of [
    ['{"text":"first","text":"second"}', "text", 1, 17],
    ['{"a":1,\n "b":{"c":1,\n  "c":2}}', "c", 3, 3],
    ['{"é":1,"\\u00e9":2}', "é", 1, 8],
    ['[{"a":1},{"a":1,"b":[{"x":"\\\\"},"{:"],"a":2}]', "a", 1, 39],
    ['{"__proto__":1,"__proto__":2}', "__proto__", 1, 16],
  ] as const) {
    const error = refusal(text, { code: "DATA_INVALID", details: { path: "rows.jsonl" } });
    assert.equal(error.code, "DATA_INVALID");
    assert.match(error.message, /^the text: the key ".*" stands twice/);
    assert.deepEqual(error.details, { path: "rows.jsonl", line, column });
    assert.equal(repeatedKey(text), key);
  }
  for (const text of ['{"a":{"a":1},"b":{"a":1}}', '[{"a":1},{"a":2}]', '{"a":"\\"a\\":1","b":"a"}', '"a:a:"'])
    assert.deepEqual(read(text), JSON.parse(text));
  assert.ok(refusal(`{"${"k".repeat(1e5)}":1,"${"k".repeat(1e5)}":1}`).message.length < 300, "names are shortened");
});

test("numbers that a float64 does not hold are rounded, kept as digits or refused, as asked for", () => {
  const text = '{"label": 9007199254740993, "other": [-9007199254740992, 1e400, 12.5, 9007199254740991, 1e22]}';
  assert.deepEqual(read(text), JSON.parse(text));
  assert.deepEqual(read(text, { largeNumbers: "digits" }), {
    label: "9007199254740993",
    other: ["-9007199254740992", "1e400", 12.5, 9007199254740991, 1e22],
  });
  const error = refusal(text, { largeNumbers: "refuse" });
  assert.match(error.message, /the number "9007199254740993" .*write it as a string \(line 1, column 11\)/);
  assert.equal(read("123", { largeNumbers: "refuse" }), 123);
});

test("what is no JSON is refused, and deep or long texts take no stack", () => {
  for (const text of ["", "{", '{"a":1,}', "[1 2]", "nul", '"\n"', "01", "{'a':1}"])
    assert.match(refusal(text).message, /^the text is not JSON: /);
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  assert.ok(Array.isArray(read(deep)));
  assert.equal((read(`"${"\\\\".repeat(1e6)}"`) as string).length, 1e6);
});
