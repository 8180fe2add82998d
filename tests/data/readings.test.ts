/** What a table's rows are to a training: CoNLL files, paragraphs, further columns, and targets by token. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { IGNORED, READINGS, readTable, type RoleChoices } from "../../src/language/data/index.ts";
import { openTokenizer, trainBytePairs, trainWordPiece, type Tokenizer } from "../../src/language/text/index.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-readings-"));
after(() => {
  rmSync(folder, { recursive: true, force: true });
});
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const needed = { name: undefined, need: "needed" } as const;
const TAGS: RoleChoices = { tags: needed };
const tokenizer = trainWordPiece(["Ada went to New York and unbelievably back to York", "Ada"], {
  vocabSize: 120,
  minFrequency: 1,
  maxLength: 32,
});

const CONLL = "-DOCSTART- -X- O\n\nAda\tB-PER\nwent\tO\r\nto\tO\nNew\tB-LOC\nYork\tI-LOC\n\n\nunbelievably O\n";

test("CoNLL: a row a sentence, the first token of each word has its tag", async () => {
  const table = await readTable(file("a.conll", CONLL), { label: false, roles: TAGS });
  assert.deepEqual([table.format, [...table.lines]], ["conll", [7, 10]]);
  const reading = READINGS["word-tags"];
  assert.deepEqual(reading.texts(table), ["Ada went to New York", "unbelievably"]);
  const names = reading.names(table);
  assert.deepEqual(names, ["B-LOC", "B-PER", "I-LOC", "O"]);
  const { ids, offsets, labels } = await reading.encode(table, tokenizer, names, {});
  assert.equal(labels.length, ids.length);
  const [first, second] = [0, 1].map((row) => Array.from(labels.subarray(offsets[row], offsets[row + 1])));
  assert.deepEqual(
    first!.filter((label) => label !== IGNORED).map((label) => names[label]),
    ["B-PER", "O", "O", "B-LOC", "I-LOC"],
  );
  assert.deepEqual([first![0], first!.at(-1)], [IGNORED, IGNORED], "special tokens have none");
  assert.equal(second!.filter((label) => label !== IGNORED).length, 1, "a word of several tokens has one class");
});

test("words and tags in JSON lines; what does not fit is named with its line", async () => {
  const reading = READINGS["word-tags"];
  const good = '{"text": ["Ada", "went"], "tags": ["B-PER", "O"]}\n{"text": "to York", "tags": "O B-LOC"}\n';
  const table = await readTable(file("a.jsonl", good), { label: false, roles: TAGS });
  const names = reading.names(table);
  assert.deepEqual(reading.texts(table), ["Ada went", "to York"]);
  await reading.encode(table, tokenizer, names, {});
  const bad = await readTable(file("b.jsonl", '{"text": "a b c", "tags": "O B-LOC"}\n'), { label: false, roles: TAGS });
  await assert.rejects(reading.encode(bad, tokenizer, names, {}), {
    code: "DATA_INVALID",
    message: /line 1 of .*b\.jsonl.* has 3 words and 2 tags/,
  });
  const other = await readTable(file("c.jsonl", '{"text": "a b", "tags": "O B-X"}\n'), { label: false, roles: TAGS });
  await assert.rejects(reading.encode(other, tokenizer, names, {}), {
    code: "DATA_INVALID",
    message: /"B-X", which is/,
  });
  await assert.rejects(readTable(file("d.conll", "Ada\nwent\tO\n"), { label: false, roles: TAGS }), {
    code: "DATA_INVALID",
    message: /line 1 of .*d\.conll has no word and tag/,
  });
});

test("several labels, scores, and texts that belong together", async () => {
  const text = 'text,second,labels,score\na,b,x|y,0.5\nc,d,"[""y""]",-2\ne,f,,1e3\n';
  const path = file("a.csv", text);
  const roles: RoleChoices = { labels: needed, score: needed, second: needed };
  const table = await readTable(path, { label: false, roles });
  const several = READINGS["text-classes"];
  const names = several.names(table);
  assert.deepEqual(names, ["x", "y"]);
  assert.deepEqual(Array.from((await several.encode(table, tokenizer, names, {})).values), [1, 1, 0, 1, 0, 0]);
  assert.deepEqual(Array.from((await READINGS["text-score"].encode(table, tokenizer, [], {})).values), [0.5, -2, 1000]);
  const pairs = await READINGS.pairs.encode(table, tokenizer, [], {});
  assert.deepEqual([READINGS.pairs.rowsEach(table), pairs.offsets.length], [2, 7]);
  const both = await READINGS.text.encode(table, tokenizer, [], {});
  assert.ok(both.typeIds.includes(1), "two texts in a row have two types");

  const wrong = await readTable(file("b.csv", "text,score\na,high\n"), { label: false, roles: { score: needed } });
  await assert.rejects(READINGS["text-score"].encode(wrong, tokenizer, [], {}), {
    code: "DATA_INVALID",
    message: /line 2 of .*the score "high"/,
  });
  await assert.rejects(readTable(file("c.csv", "text,foo\na,b\n"), { label: false, roles }), {
    code: "DATA_INVALID",
    message: /none of the columns .* is called second.*columns\.second.*its columns are "text", "foo"/,
  });
});

test("paragraphs of a text file", async () => {
  const path = file("a.txt", "\nFirst line\nsecond line\r\n\n \nAnother\n");
  const { texts, lines } = await readTable(path, { label: false, format: "text" });
  assert.deepEqual(
    [texts, [...lines]],
    [
      ["First line\nsecond line", "Another"],
      [3, 6],
    ],
  );
});

describe("conversations", () => {
  const reading = READINGS.chats;
  const guessed = { name: undefined, need: "guessed" } as const;
  const roles: RoleChoices = { answer: guessed, input: guessed, system: guessed };
  const read = (name: string, text: string) =>
    readTable(file(name, text), { label: false, roles, textNames: reading.textNames ?? [] });
  const lines = (...rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  const plain = trainBytePairs(["Where is it? Here and there: it is here."], { vocabSize: 300, minFrequency: 1 });
  const tokenizer = reading.tokenizer!(plain);
  /** What is learned of each row, as text. */
  const learned = async (name: string, text: string, by: Tokenizer = tokenizer, maxLength = 256) => {
    const { ids, offsets, labels } = await reading.encode(await read(name, text), by, [], { maxLength });
    assert.equal(labels.length, ids.length);
    labels.forEach((label, at) => {
      assert.ok(label === IGNORED || label === ids[at], "a label is the token itself");
    });
    return Array.from({ length: offsets.length - 1 }, (_, row) => {
      const own = labels.subarray(offsets[row], offsets[row + 1]).filter((label) => label !== IGNORED);
      return by.decode(own, { skipSpecialTokens: false });
    });
  };
  const turns = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Where is it?" },
    { role: "assistant", content: "Here." },
    { role: "user", content: "And there?" },
    { role: "assistant", content: "It is here." },
  ];

  test("answers are learned with the token that ends them, and nothing else", async () => {
    assert.deepEqual(await learned("chat.jsonl", lines({ messages: turns })), [
      "Here.<|endoftext|>It is here.<|endoftext|>",
    ]);
    assert.equal(reading.tokenizer!(tokenizer), tokenizer, "a template that is there stays");
    const template =
      "{% for m in messages %}{{ '<' ~ m.role ~ '>' ~ m.content }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}";
    const own = openTokenizer({
      tokenizerJson: plain.files["tokenizer.json"],
      tokenizerConfig: { ...(JSON.parse(plain.files["tokenizer_config.json"]) as object), chat_template: template },
    });
    assert.deepEqual(await learned("own.jsonl", lines({ messages: turns }), reading.tokenizer!(own)), [
      "Here.It is here.",
    ]);
  });

  test("an instruction with its answer is the same conversation", async () => {
    const asked = { instruction: "Where is it?", input: "", output: "Here." };
    const given = { ...asked, input: "And there?" };
    const table = await read("instructions.jsonl", lines(asked, given));
    const { ids, offsets } = await reading.encode(table, tokenizer, [], { maxLength: 256 });
    assert.equal(
      tokenizer.decode(ids.subarray(offsets[1], offsets[2]), { skipSpecialTokens: false }),
      "<|endoftext|>### User:\nWhere is it?\n\nAnd there?\n\n### Assistant:\nHere.<|endoftext|>\n\n",
    );
    const messages = [
      { role: "user", content: "Where is it?\n\nAnd there?" },
      { role: "assistant", content: "Here." },
    ];
    const chat = await read("messages.jsonl", lines({ messages: messages.slice(0, 2) }));
    const same = await reading.encode(chat, tokenizer, [], { maxLength: 256 });
    assert.deepEqual(same.ids, ids.slice(offsets[1], offsets[2]));
    assert.deepEqual(reading.texts(chat), [reading.texts(table)[1]]);
  });

  test("what is too long is cut; what cannot be learned is refused with its line", async () => {
    const [whole] = await learned("long.jsonl", lines({ messages: turns }), tokenizer, 60);
    assert.ok("Here.<|endoftext|>It is here.".startsWith(whole!) && whole!.startsWith("Here."), whole);
    for (const [name, messages, maxLength, message] of [
      ["cut", turns, 12, /line 1 of .*cut.jsonl \(row 1\): no word of an answer is within its first 12 tokens; raise/],
      ["none", turns.slice(0, 2), 256, /line 1 of .*: none is the assistant's, so nothing is learned/],
      ["role", [{ role: "user" }], 256, /line 1 of .*: 0\.content: .*expected string/],
      ["text", "Where is it?", 256, /line 1 of .*"messages" is to hold a list of messages.*: it is no JSON/],
    ] as const)
      await assert.rejects(learned(`${name}.jsonl`, lines({ messages }), tokenizer, maxLength), {
        code: "DATA_INVALID",
        message,
      });
  });
});

test("a file whose name says no format says how it was read; one tag alone is no task", async () => {
  await assert.rejects(readTable(file("tags.txt", CONLL), { label: false, roles: TAGS }), {
    code: "DATA_INVALID",
    message: /"-DOCSTART- -X- O"\); it was read as CSV, as its name says no other format \(--format\)$/,
  });
  const table = await readTable(file("one.conll", "Ada\tO\n"), { label: false, roles: TAGS });
  assert.throws(() => READINGS["word-tags"].names(table), { message: /^every word has the tag "O"/ });
});
