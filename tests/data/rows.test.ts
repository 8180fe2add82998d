/** Rows of a program as a table: what a file of them would be, checked as they come, read no further than needed. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { readRows, readTable, type RoleChoices, type Rows } from "../../src/language/data/index.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-rows-"));
after(() => {
  rmSync(folder, { recursive: true, force: true });
});
const ROLES: RoleChoices = {
  labels: { name: undefined, need: "needed" },
  second: { name: undefined, need: "named" },
  negative: { name: undefined, need: "guessed" },
};
const read = (rows: unknown, more: { readonly roles?: RoleChoices; readonly signal?: AbortSignal } = {}) =>
  readRows(rows as Rows, { name: "data", label: more.roles === undefined, ...more });

/** A cursor that knows whether it was closed. */
function cursor(rows: readonly unknown[], pause = 0) {
  const state = { closed: false, given: 0 };
  async function* give(): AsyncGenerator {
    try {
      for (const row of rows) {
        if (pause > 0) await delay(pause);
        state.given++;
        yield row;
      }
    } finally {
      state.closed = true;
    }
  }
  return { state, rows: give() };
}

test("rows are the table of the JSON-lines file that they make, one after another or all at once", async () => {
  const rows = [
    { id: 1, text: "a\nb", label: " x ", when: new Date(0) },
    { text: "ü😀", label: 7 },
    { text: "c", label: true, id: 9n },
  ];
  const path = join(folder, "rows.jsonl");
  writeFileSync(path, '{"text":"a\\nb","label":" x "}\n{"text":"ü😀","label":7}\n{"text":"c","label":true}\n');
  const { names: _, path: __, ...file } = await readTable(path);
  for (const given of [rows, new Set(rows), cursor(rows).rows]) {
    const { names, path: name, unit, ...table } = await read(given);
    assert.deepEqual(table, file);
    assert.deepEqual([name, unit, names], ["data", "row", ["id", "text", "label", "when"]]);
  }
  assert.deepEqual(file.labels, ["x", "7", "true"]);
  const other = await read([...rows.slice(0, 2), { text: "c", label: "true" }]);
  assert.deepEqual(other.labels, file.labels);
  assert.notEqual(other.sha256, file.sha256, "a label that is another value is other data");
  assert.deepEqual((await read([{ text: "a", label: 2n ** 60n }])).labels, ["1152921504606846976"]);
});

test("further fields go by what they hold, and those that may be left out by the first row", async () => {
  const rows = [
    { text: "a", second: "b", labels: ["x", "y"] },
    { text: "c", second: "d", labels: [], negative: "e" },
  ];
  const { cells, columns } = await read(rows, { roles: ROLES });
  assert.deepEqual(columns.roles, { second: "second", labels: "labels" });
  assert.deepEqual(cells, { second: ["b", "d"], labels: ['["x","y"]', "[]"] });
});

test("conversations: a list of messages is a text, where answers may be beside", async () => {
  const messages = [{ role: "user", content: "hi" }];
  const options = { name: "data", label: false, roles: { answer: { name: undefined, need: "guessed" } } } as const;
  const { texts, columns } = await readRows([{ messages }], { ...options, textNames: ["messages"] });
  assert.deepEqual([texts, columns.text], [[JSON.stringify(messages)], "messages"]);
  const circular: unknown[] = [];
  circular.push(circular);
  await assert.rejects(readRows([{ text: circular }], options), { message: /^row 1 of data: "text" is a list, not/ });
});

test("what is wrong is said with its row and its field", async () => {
  const good = { text: "a", label: "x" };
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [[], /^data has no row/],
    [[good, "text"], /^row 2 of data is of type string; each row is an object/],
    [[good, null], /^row 2 of data is null/],
    [[good, { text: "b" }], /^row 2 of data: "label" is missing/],
    [[good, { text: "b", label: null }], /^row 2 of data: "label" is null, not a string or a number$/],
    [[good, { text: "b", label: NaN }], /^row 2 of data: "label" is NaN/],
    [[good, { text: 5, label: "x" }], /^row 2 of data: "text" is of type number, not a string/],
    [[good, { text: ["b"], label: "x" }], /^row 2 of data: "text" is a list/],
    [[good, { text: " ", label: "x" }], /^row 2 of data, column "text": the cell is empty/],
    [[good, { text: "\ud800", label: "x" }], /^row 2 of data, column "text": .*half a character/],
    [[{ text: "a", lable: "x" }], /^data has no column "label"; did you mean "lable"\?/],
    [[{ txt: "a", label: "x" }], /^data has no column "text"/],
    [[{ text: "a".repeat((1 << 20) + 1), label: "x" }], /^row 1 of data, column "text": the cell has 1\.00 MiB/],
  ];
  for (const [rows, message] of cases) {
    const thrown: unknown = await read(rows).catch((error: unknown) => error);
    assert.ok(thrown instanceof Error);
    assert.match(thrown.message, message);
    assert.equal((thrown as Error & { code?: string }).code, "DATA_INVALID");
  }
  await assert.rejects(read([good, { text: "b", label: null }]), {
    details: { path: "data", row: 2, column: "label" },
  });
  await assert.rejects(read([{ text: "a" }], { roles: ROLES }), { message: /^data has no column "labels"/ });
});

test("a cursor that fails, is wrong, is too long or is interrupted: a typed error, and it is closed", async () => {
  const many = Array.from({ length: 9 }, (_, n) => ({ text: `text ${n}`, label: n % 2 }));
  const wrong = cursor([...many.slice(0, 3), { text: "no label" }, ...many]);
  await assert.rejects(read(wrong.rows), /row 4 of data/);
  assert.deepEqual(wrong.state, { closed: true, given: 4 });

  const long = cursor(many);
  const limit = { name: "data", label: true, maxBytes: 100 };
  await assert.rejects(readRows(long.rows as Rows, limit), {
    code: "INPUT_TOO_LARGE",
    message: /first 4 rows of data/,
  });
  assert.deepEqual(long.state, { closed: true, given: 4 });

  async function* broken(): AsyncGenerator {
    yield* many.slice(0, 2);
    await delay(1);
    throw new Error("connection lost");
  }
  await assert.rejects(read(broken()), { code: "DATA_INVALID", message: "data failed after row 2: connection lost" });

  const slow = cursor(many, 5);
  const controller = new AbortController();
  const reading = read(slow.rows, { signal: controller.signal });
  setTimeout(() => {
    controller.abort();
  }, 12);
  await assert.rejects(reading, { code: "CANCELLED", message: /reading data was interrupted/ });
  for (let i = 0; i < 100 && !slow.state.closed; i++) await delay(5);
  assert.ok(slow.state.closed && slow.state.given < many.length);
});

test("a text a line", async () => {
  const path = join(folder, "lines.txt");
  writeFileSync(path, "first\r\n\n  second \nthird");
  const { texts, lines, format, columns } = await readTable(path, { format: "lines" });
  assert.deepEqual([texts, [...lines], format], [["first", "  second ", "third"], [1, 3, 4], "lines"]);
  assert.equal(columns.text, "text");
});
