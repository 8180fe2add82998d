import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { LineSplitter, readTable, requireLabels, type ReadTableOptions } from "../../src/language/data/index.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-table-"));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(content: string | Buffer, extension = "csv"): string {
  const path = join(folder, `${files++}.${extension}`);
  writeFileSync(path, content);
  return path;
}

describe("BANKING77", () => {
  it("has its rows, classes and hash", async () => {
    const path = fileURLToPath(new URL("../../examples/banking77/train.csv", import.meta.url));
    const table = await readTable(path);
    assert.equal(table.texts.length, 10_003);
    assert.equal(new Set(table.labels).size, 77);
    assert.deepEqual(table.columns, { text: "text", label: "category", roles: {} });
    assert.equal(table.sha256, createHash("sha256").update(readFileSync(path)).digest("hex"));
    assert.equal(table.bytes, readFileSync(path).length);
    assert.equal(table.texts[0], "I am still waiting on my card?");
    const lines = readFileSync(path, "utf8").split(/\r?\n/);
    for (const row of [0, 100, 5_000, 10_002])
      assert.ok(lines[(table.lines[row] as number) - 1]?.endsWith(table.labels?.[row] as string), `row ${row}`);
  });
});

describe("what is read", () => {
  it("quotes, line ends, a byte order mark", async () => {
    const table = await readTable(file('\ufefftext,label\r\n"a, ""b""",x\r\n"two\r\nlines", y \r\n\r\nlast,x'));
    assert.deepEqual(table.texts, ['a, "b"', "two\r\nlines", "last"]);
    assert.deepEqual(table.labels, ["x", "y", "x"]);
    assert.deepEqual([...table.lines], [2, 4, 6]);
  });

  it("semicolons and tabs", async () => {
    assert.deepEqual((await readTable(file("text;label\na,b;c\n"))).texts, ["a,b"]);
    assert.deepEqual((await readTable(file("text\tlabel\na,b\tc\n", "tsv"))).labels, ["c"]);
  });

  it("JSON lines, by name or by first character, with labels that are numbers", async () => {
    const lines = '{"text":"é","label":1}\n\n{"label":false,"text":"b"}';
    for (const extension of ["jsonl", "data"]) {
      const table = await readTable(file(lines, extension));
      assert.equal(table.format, "jsonl");
      assert.deepEqual(table.texts, ["é", "b"]);
      assert.deepEqual(table.labels, ["1", "false"]);
      assert.deepEqual([...table.lines], [1, 3]);
    }
  });

  it("named columns, other columns ignored, no label when none is wanted", async () => {
    const path = file("id,Question,Intent\n1,hello,a\n");
    assert.deepEqual((await readTable(path)).columns, { text: "Question", label: "Intent", roles: {} });
    assert.equal((await readTable(path, { label: false })).labels, undefined);
    assert.deepEqual((await readTable(path, { text: "Intent", label: "id" })).texts, ["a"]);
    assert.equal((await readTable(file("text\nhello\n"))).labels, undefined);
  });

  it("characters across the reader's pieces", async () => {
    const text = "a".repeat((1 << 20) - 12) + "日本語😀é".repeat(20);
    assert.deepEqual((await readTable(file(`text\n${text}\n`), { maxCellBytes: 4 << 20 })).texts, [text]);
  });

  it("any table that was written, again", async () => {
    const cell = fc
      .string({
        unit: fc.oneof(
          fc.constantFrom(",", '"', "\n", "\r\n", ";", "\t", "é", "😀"),
          fc.string({ minLength: 1, maxLength: 1 }),
        ),
        maxLength: 12,
      })
      .map((text) => `x${text.replaceAll("\0", "")}x`);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }), async (rows) => {
        const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
        const csv = await readTable(file(`text,label\n${rows.map((row) => row.map(quote).join(",")).join("\n")}\n`));
        assert.deepEqual(
          csv.texts,
          rows.map(([text]) => text),
        );
        const jsonl = await readTable(
          file(rows.map(([text, label]) => JSON.stringify({ text, label })).join("\n"), "jsonl"),
        );
        assert.deepEqual(jsonl.texts, csv.texts);
        assert.deepEqual(jsonl.labels, csv.labels);
      }),
      { numRuns: 60, seed: 1 },
    );
  });
});

describe("ends of lines", () => {
  const mixed: readonly (readonly [string, string])[] = [
    ["a CRLF header over LF rows", "text,label\r\na,x\nb,y\nc,z\n"],
    ["an LF header over CRLF rows", "text,label\na,x\r\nb,y\r\nc,z\r\n"],
    ["CR alone", "text,label\ra,x\rb,y\rc,z\r"],
    ["each row its own, none at the end", "text,label\ra,x\r\nb,y\nc,z"],
  ];
  for (const [name, content] of mixed)
    it(name, async () => {
      const { texts, labels, lines } = await readTable(file(content));
      assert.deepEqual(
        [texts, labels, [...lines]],
        [
          ["a", "b", "c"],
          ["x", "y", "z"],
          [2, 3, 4],
        ],
      );
    });

  it("one column, and a CRLF that two pieces of the file share", async () => {
    assert.deepEqual((await readTable(file("text\r\na\nb\nc\n"))).texts, ["a", "b", "c"]);
    const long = "x".repeat((1 << 20) - "text\r\n".length - 1);
    const { texts } = await readTable(file(`text\r\n${long}\r\nb\r\n`), { maxCellBytes: 4 << 20 });
    assert.deepEqual([texts.length, texts[0]!.length, texts[1]], [2, long.length, "b"]);
  });

  it("a line end inside quotes belongs to the text", async () => {
    const { texts } = await readTable(file('text,label\r\n"a\r\nb\rc\nd",x\ne,y\r'));
    assert.deepEqual(texts, ["a\r\nb\rc\nd", "e"]);
  });

  it("JSON lines too", async () => {
    const { texts, lines } = await readTable(file('{"text":"a"}\r{"text":"b"}\r\n\n{"text":"c"}', "jsonl"));
    assert.deepEqual(
      [texts, [...lines]],
      [
        ["a", "b", "c"],
        [1, 2, 4],
      ],
    );
  });

  it("the same lines however the text is cut into pieces", () => {
    const text = "a\r\nb\n\rc\r\r\n\nd";
    const whole = new LineSplitter();
    const expected = [...whole.add(text), whole.rest];
    assert.deepEqual(expected, ["a", "b", "", "c", "", "", "d"]);
    for (let first = 0; first <= text.length; first++)
      for (let second = first; second <= text.length; second++) {
        const splitter = new LineSplitter();
        const pieces = [text.slice(0, first), text.slice(first, second), text.slice(second)];
        assert.deepEqual(
          [...pieces.flatMap((piece) => splitter.add(piece)), splitter.rest],
          expected,
          `${first} ${second}`,
        );
      }
  });
});

describe("labels of JSON lines", () => {
  it("keep their digits beyond 2^53; other columns may hold what they like", async () => {
    const rows = ["9007199254740993", "9007199254740992", "7", "-9007199254740993", "true"];
    const { labels } = await readTable(
      file(rows.map((label, i) => `{"text":"t ${i}","label":${label},"id":12345678901234567890}`).join("\n"), "jsonl"),
    );
    assert.deepEqual(labels, rows);
  });
});

describe("columns", () => {
  it("that a version was trained on come before a guess and after a name", async () => {
    const preferred = { text: "question", label: "kind" };
    const path = file("text,question,kind,label\na,b,c,d\n");
    assert.deepEqual((await readTable(path, { preferred })).columns, { ...preferred, roles: {} });
    assert.deepEqual((await readTable(path, { preferred, text: "text" })).columns, {
      text: "text",
      label: "kind",
      roles: {},
    });
    assert.deepEqual((await readTable(file("text,label\na,b\n"), { preferred })).columns, {
      text: "text",
      label: "label",
      roles: {},
    });
  });

  it("are listed where there is no label", async () => {
    const table = await readTable(file("text,foo,bar\na,b,c\n"));
    assert.throws(() => requireLabels(table), {
      code: "DATA_INVALID",
      message: /label, labels, intent.*\(--label\).*its columns are "text", "foo", "bar"/,
    });
  });
});

describe("what is refused", () => {
  const big = "x".repeat(10 << 20);
  const cases: [string, string | Buffer, RegExp, ReadTableOptions?, string?][] = [
    ["an empty file", "", /is empty/],
    ["a byte order mark alone", "\ufeff", /is empty/],
    ["a header alone", "text,label\n", /header and no row/],
    [
      "a missing column, with the closest",
      "txt,label\na,b\n",
      /no column "text"; did you mean "txt"\? \(its columns are "txt", "label"\)/,
      { text: "text" },
    ],
    ["no column to guess", "foo,bar\na,b\n", /its columns are "foo", "bar"/],
    ["one column for both", "text\na\n", /both text and label/, { text: "text", label: "text" }],
    ["a column twice", "text,text\na,b\n", /two columns/],
    ["a ragged row", "text,label\na,b\nc\n", /line 3 .* 1 cells, the header has 2/],
    ["an empty text", "text,label\na,b\n ,c\n", /line 3 .*\(row 2\), column "text": the cell is empty/],
    ["an empty label", "text,label\na,\n", /line 2 .*\(row 1\), column "label": the cell is empty/],
    ["a cell of 10 MB", `text,label\na,b\n${big},c\n`, /line 3 .*\(row 2\), column "text": the cell has 10\.0 MiB/],
    ["a quote that never closes", 'text,label\n"a,b\nc,d\n', /never closed/],
    [
      "a quote that never closes, in a large file",
      `text,label\n"a,b\n${big}${big}`,
      /more than 16777216 characters; a quote/,
    ],
    ["garbage after a quote", 'text,label\n"a"x,b\n', /line 2/],
    ["UTF-16", Buffer.from("\ufefftext,label\n", "utf16le"), /byte 0 \(0xff\) begins a UTF-16 file/],
    [
      "a bad byte, far in",
      Buffer.concat([Buffer.from(`text\n${"é".repeat(700_000)}`), Buffer.from([0xc3, 0x28])]),
      /byte 1400005 \(0xc3\)/,
    ],
    ["a character cut by the end", Buffer.from([0x74, 0x65, 0x78, 0x74, 0x0a, 0xe2, 0x82]), /byte 5 \(0xe2\)/],
    ["a zero byte", "text\na\0b\n", /byte 6 is zero/],
    ["binary garbage", Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 167 + 13) % 256)), /not UTF-8|is zero/],
    ["JSON that is not", '{"text":"a"}\n{oops\n', /line 2 .* is not JSON/, { format: "jsonl" }],
    ["a line that is no object", '{"text":"a"}\n5\n', /line 2 .* not a JSON object/, { format: "jsonl" }],
    ["a JSON array", '[\n{"text":"a"}\n]\n', /line 1 .*array.*one object a line.*jq/, { format: "jsonl" }],
    ["a key twice", '{"text":"a"}\n{"text":"a","text":"b"}\n', /line 2 .*"text" stands twice/, { format: "jsonl" }],
    [
      "a label too long for a version",
      `text,label\na,b\na,${"x".repeat(1001)}\n`,
      /line 3 .*\(row 2\).*1001 characters/,
    ],
    ["a text that is a number", '{"text":5}\n', /line 1 .*"text" is of type number/, { format: "jsonl" }],
    [
      "a label that is missing",
      '{"text":"a","label":"b"}\n{"text":"a"}\n',
      /line 2 .*"label" is missing/,
      { format: "jsonl" },
    ],
    ["half a character", '{"text":"\\ud800"}\n', /lone surrogate/, { format: "jsonl" }],
    ["a file that is too large", "text\na\n", /larger than/, { maxFileBytes: 4 }, "INPUT_TOO_LARGE"],
    ["too many rows", "text\na\nb\n", /more than 1 rows/, { maxRows: 1 }, "INPUT_TOO_LARGE"],
    ["an unknown option", "text\na\n", /txet/, { txet: "a" } as ReadTableOptions, "OPTION_INVALID"],
  ];
  for (const [name, content, message, options = {}, code = "DATA_INVALID"] of cases) {
    it(name, () => assert.rejects(readTable(file(content), options), { code, message }));
  }
  it("a file that is not there, a folder", async () => {
    await assert.rejects(readTable(join(folder, "nope.csv")), { code: "NOT_FOUND" });
    await assert.rejects(readTable(folder), { code: "DATA_INVALID", message: /is not a file/ });
  });
});
