/** A CSV or JSON-lines file as texts and labels, each row checked, each complaint with its line. */
import { z } from "zod";
import { LABEL_LIMITS, LockstepError, formatBytes, parseOptions } from "../../base/index.ts";
import {
  chooseColumns,
  noLabels,
  ROLES,
  type Columns,
  type PreferredColumns,
  type Role,
  type RoleChoices,
} from "./columns.ts";
import { conllSentences } from "./conll.ts";
import { csvRecords } from "./csv.ts";
import { jsonRecords } from "./jsonl.ts";
import { numberedLines } from "./lines.ts";
import { readText, type FileFacts } from "./text-file.ts";

const tableOptions = z.strictObject({
  /** Column of the text. @default the first of text, sentence, question, query … that there is */
  text: z.string().min(1).optional(),
  /** Names of a text's column that are looked for before the usual ones. */
  textNames: z.array(z.string()).readonly().optional(),
  /** Column of the label; false for none. @default the first of label, intent, category, class … if there is one */
  label: z.union([z.string().min(1), z.literal(false)]).optional(),
  /** Columns that are taken where they are there and none is named: those that a version was trained on. */
  preferred: z.custom<PreferredColumns>().optional(),
  /** Further columns, by what they hold. */
  roles: z.custom<RoleChoices>().default({}),
  /**
   * "auto" goes by the file's name (.jsonl, .ndjson, .json; .conll, .iob, .bio), then by its first character.
   * "conll" has the columns `tokens` and `tags`, one row a sentence; "text" the column `text`, one row a paragraph.
   */
  format: z.enum(["csv", "jsonl", "conll", "text", "auto"]).default("auto"),
  /** Bytes. */
  maxFileBytes: z
    .int()
    .min(1)
    .default(1 << 30),
  /** Bytes of one text or label in UTF-8. */
  maxCellBytes: z
    .int()
    .min(1)
    .max(64 << 20)
    .default(1 << 20),
  maxRows: z.int().min(1).default(50_000_000),
});
export type ReadTableOptions = z.input<typeof tableOptions>;

export interface Table {
  readonly texts: readonly string[];
  /** As long as `texts`; absent when there is no label column. */
  readonly labels: readonly string[] | undefined;
  /** Cells of the further columns that were asked for and found; a list is JSON text. */
  readonly cells: { readonly [R in Role]?: readonly string[] };
  /** Line of the file, from 1, that each row ends on. */
  readonly lines: Int32Array;
  readonly columns: Columns;
  /** Names of all columns (of a JSON-lines file: the fields of its first row). */
  readonly names: readonly string[];
  readonly format: TableFormat;
  readonly path: string;
  /** SHA-256 of the file's bytes, in hex. */
  readonly sha256: string;
  readonly bytes: number;
}

export type TableFormat = "csv" | "jsonl" | "conll" | "text";

/** Throws NOT_FOUND, INPUT_TOO_LARGE, or DATA_INVALID with file, line and column. */
export async function readTable(path: string, options: ReadTableOptions = {}): Promise<Table> {
  const settled = parseOptions(tableOptions, options, "the options of readTable");
  const facts: FileFacts = { sha256: "", bytes: 0 };
  const { format, chunks } = await detect(path, settled.format, readText(path, settled.maxFileBytes, facts));
  const rows = new Rows(path, settled.maxCellBytes, settled.maxRows);
  const found = await READERS[format](chunks, rows, settled);
  if (found === undefined)
    throw new LockstepError("DATA_INVALID", `${path} is empty; give a header line and at least one row`, { path });
  if (rows.texts.length === 0)
    throw new LockstepError("DATA_INVALID", `${path} has a header and no row; give at least one`, { path });
  const { columns, names } = found;
  return {
    texts: rows.texts,
    labels: columns.label === undefined ? undefined : rows.labels,
    cells: rows.cells,
    lines: Int32Array.from(rows.lines),
    columns,
    names,
    format,
    path,
    ...facts,
  };
}

/** The labels of a table that must have some. @throws DATA_INVALID that lists its columns */
export function requireLabels({ labels, columns, names, path }: Table): {
  readonly labels: readonly string[];
  readonly columns: { readonly text: string; readonly label: string };
} {
  if (labels === undefined || columns.label === undefined) throw noLabels(names, path);
  return { labels, columns: { text: columns.text, label: columns.label } };
}

interface Found {
  readonly columns: Columns;
  readonly names: readonly string[];
}

type Settled = z.output<typeof tableOptions>;

/**
 * Longest CSV record or JSON line in characters: large enough that a row with one cell too large is named by its
 * column.
 */
const maxRecord = (maxCell: number): number => Math.max(4 * maxCell, 16 << 20);

type Reader = (chunks: AsyncIterable<string>, rows: Rows, settled: Settled) => Promise<Found | undefined>;
const READERS: { readonly [F in TableFormat]: Reader } = {
  csv: readCsv,
  jsonl: readJsonl,
  conll: readConll,
  text: readParagraphs,
};

async function readCsv(
  chunks: AsyncIterable<string>,
  rows: Rows,
  { text, textNames, label, preferred, roles, maxCellBytes }: Settled,
): Promise<Found | undefined> {
  let header: readonly string[] | undefined;
  let columns: Columns | undefined;
  let at = { text: 0, label: -1 };
  let further: readonly (readonly [Role, number])[] = [];
  for await (const { cells, line } of csvRecords(chunks, rows.path, maxRecord(maxCellBytes))) {
    if (header === undefined || columns === undefined) {
      header = cells;
      columns = chooseColumns(header, { text, textNames, label, preferred, roles }, rows.path);
      const { roles: found } = columns;
      const names = header;
      further = ROLES.flatMap((role) =>
        found[role] === undefined ? [] : [[role, position(names, found[role], rows.path)] as const],
      );
      at = {
        text: position(header, columns.text, rows.path),
        label: columns.label === undefined ? -1 : position(header, columns.label, rows.path),
      };
      continue;
    }
    if (cells.length !== header.length) {
      throw new LockstepError(
        "DATA_INVALID",
        `line ${line} of ${rows.path} has ${cells.length} cells, the header has ${header.length}; a comma or a ` +
          "quote inside a text needs quotes around it",
        { path: rows.path, line },
      );
    }
    rows.add(cells[at.text] as string, at.label < 0 ? undefined : cells[at.label], columns, line);
    for (const [role, place] of further) rows.addCell(role, cells[place] as string, columns, line);
  }
  return columns === undefined ? undefined : { columns, names: header ?? [] };
}

function position(header: readonly string[], name: string, path: string): number {
  const at = header.indexOf(name);
  if (header.indexOf(name, at + 1) >= 0)
    throw new LockstepError("DATA_INVALID", `${path} has two columns called ${JSON.stringify(name)}; rename one`, {
      path,
      column: name,
    });
  return at;
}

async function readJsonl(
  chunks: AsyncIterable<string>,
  rows: Rows,
  { text, textNames, label, preferred, roles, maxCellBytes }: Settled,
): Promise<Found | undefined> {
  let columns: Columns | undefined;
  let names: readonly string[] = [];
  for await (const { value, line } of jsonRecords(chunks, rows.path, maxRecord(maxCellBytes))) {
    if (columns === undefined) {
      names = Object.keys(value);
      columns = chooseColumns(names, { text, textNames, label, preferred, roles }, rows.path);
    }
    const labelValue =
      columns.label === undefined ? undefined : field(value, columns.label, rows.path, line, ["scalar"]);
    // a list of words belongs to a list of tags, one of messages to readings that may have answers beside
    const kinds: readonly Kind[] =
      columns.roles.tags !== undefined ? ["list"] : roles.answer !== undefined ? ["messages"] : [];
    rows.add(field(value, columns.text, rows.path, line, kinds), labelValue, columns, line);
    for (const role of ROLES) {
      const name = columns.roles[role];
      if (name !== undefined)
        rows.addCell(role, field(value, name, rows.path, line, ["scalar", "list"]), columns, line);
    }
  }
  return columns === undefined ? undefined : { columns, names };
}

/** Sentences of words, each with a tag. */
async function readConll(chunks: AsyncIterable<string>, rows: Rows, settled: Settled): Promise<Found | undefined> {
  const names = ["tokens", "tags"];
  const tags = settled.roles.tags === undefined ? {} : { roles: { tags: { ...settled.roles.tags, name: "tags" } } };
  const columns = chooseColumns(names, { text: "tokens", label: false, ...tags }, rows.path);
  let any = false;
  for await (const { words, tags: own, line } of conllSentences(chunks, rows.path, maxRecord(settled.maxCellBytes))) {
    any = true;
    rows.add(JSON.stringify(words), undefined, columns, line);
    if (columns.roles.tags !== undefined) rows.addCell("tags", JSON.stringify(own), columns, line);
  }
  return any ? { columns, names } : undefined;
}

/** Paragraphs: what stands between empty lines, line ends within them kept as one line feed. */
async function readParagraphs(
  chunks: AsyncIterable<string>,
  rows: Rows,
  { maxCellBytes }: Settled,
): Promise<Found | undefined> {
  const columns: Columns = { text: "text", label: undefined, roles: {} };
  let lines: string[] = [];
  let size = 0;
  let last = 0;
  const end = (): void => {
    if (lines.length > 0) rows.add(lines.join("\n"), undefined, columns, last);
    lines = [];
    size = 0;
  };
  for await (const { text, line } of numberedLines(chunks, rows.path, maxRecord(maxCellBytes))) {
    if (text.trim() === "") end();
    else {
      lines.push(text);
      size += text.length;
      last = line;
      if (size > maxRecord(maxCellBytes))
        throw new LockstepError(
          "DATA_INVALID",
          `the paragraph that ends after line ${line} of ${rows.path} has more than ${maxRecord(maxCellBytes)} ` +
            "characters; put empty lines between texts",
          { path: rows.path, line },
        );
    }
  }
  end();
  return rows.texts.length === 0 ? undefined : { columns, names: ["text"] };
}

/** What may stand in a field beside a string. */
type Kind = "scalar" | "list" | "messages";

/**
 * A text must be a string; by `kinds`, a scalar may be a number or a boolean too, as `String` writes it, and a list of
 * strings and numbers, or of messages, becomes JSON text.
 */
function field(
  value: Readonly<Record<string, unknown>>,
  name: string,
  path: string,
  line: number,
  kinds: readonly Kind[],
): string {
  const found = Object.hasOwn(value, name) ? value[name] : undefined;
  if (typeof found === "string") return found;
  if (kinds.includes("scalar") && (typeof found === "number" || typeof found === "boolean")) return String(found);
  if (kinds.includes("list") && Array.isArray(found) && found.every(isScalar)) return JSON.stringify(found.map(String));
  if (kinds.includes("messages") && Array.isArray(found)) return JSON.stringify(found);
  const what =
    found === undefined
      ? "is missing"
      : `is ${found === null ? "null" : Array.isArray(found) ? "a list" : `of type ${typeof found}`}, not a string`;
  throw new LockstepError("DATA_INVALID", `line ${line} of ${path}: ${JSON.stringify(name)} ${what}`, {
    path,
    line,
    column: name,
  });
}

function isScalar(value: unknown): boolean {
  return typeof value === "string" || typeof value === "number";
}

const MAY_BE_EMPTY: ReadonlySet<Role> = new Set(["labels", "input", "system"]);

/** The rows so far, each checked as it comes. */
class Rows {
  readonly texts: string[] = [];
  readonly labels: string[] = [];
  readonly lines: number[] = [];
  readonly cells: Partial<Record<Role, string[]>> = {};
  readonly path: string;
  readonly #maxCell: number;
  readonly #maxRows: number;

  constructor(path: string, maxCell: number, maxRows: number) {
    this.path = path;
    this.#maxCell = maxCell;
    this.#maxRows = maxRows;
  }

  add(text: string, label: string | undefined, columns: Columns, line: number): void {
    if (this.texts.length >= this.#maxRows)
      throw new LockstepError("INPUT_TOO_LARGE", `${this.path} has more than ${this.#maxRows} rows`, {
        path: this.path,
      });
    this.#check(text, columns.text, line, this.texts.length + 1);
    this.texts.push(text);
    this.lines.push(line);
    if (label === undefined || columns.label === undefined) return;
    this.#check(label, columns.label, line, this.texts.length);
    const trimmed = label.trim();
    if (trimmed.length > LABEL_LIMITS.length)
      throw new LockstepError(
        "DATA_INVALID",
        `line ${line} of ${this.path} (row ${this.texts.length}), column ${JSON.stringify(columns.label)}: the label ` +
          `has ${trimmed.length} characters, at most ${LABEL_LIMITS.length} are taken; is this the right column?`,
        { path: this.path, line, row: this.texts.length, column: columns.label },
      );
    this.labels.push(trimmed);
  }

  /** Of the row that was added last. An empty list of labels is one, and an instruction may have no input. */
  addCell(role: Role, cell: string, columns: Columns, line: number): void {
    if (!(MAY_BE_EMPTY.has(role) && cell.trim() === ""))
      this.#check(cell, columns.roles[role] ?? role, line, this.texts.length);
    (this.cells[role] ??= []).push(cell);
  }

  #check(cell: string, column: string, line: number, row: number): void {
    const where = `line ${line} of ${this.path} (row ${row}), column ${JSON.stringify(column)}`;
    const details = { path: this.path, line, row, column };
    // A code unit takes at most three bytes, so most cells need no count.
    if (cell.length * 3 > this.#maxCell) {
      const bytes = Buffer.byteLength(cell);
      if (bytes > this.#maxCell)
        throw new LockstepError(
          "DATA_INVALID",
          `${where}: the cell has ${formatBytes(bytes)}, at most ${formatBytes(this.#maxCell)} are taken; a ` +
            "quote may be missing before it, or the text has to be shortened",
          { ...details, bytes },
        );
    }
    if (cell.trim() === "")
      throw new LockstepError("DATA_INVALID", `${where}: the cell is empty; fill it or leave the row out`, details);
    if (!cell.isWellFormed())
      throw new LockstepError("DATA_INVALID", `${where}: the cell holds half a character (a lone surrogate)`, details);
  }
}

const BY_NAME: readonly (readonly [RegExp, TableFormat])[] = [
  [/\.(jsonl|ndjson|json)$/i, "jsonl"],
  [/\.(csv|tsv)$/i, "csv"],
  [/\.(conll|conllu?|iob2?|bio)$/i, "conll"],
];

async function detect(
  path: string,
  wanted: Settled["format"],
  chunks: AsyncGenerator<string>,
): Promise<{ format: TableFormat; chunks: AsyncIterable<string> }> {
  if (wanted !== "auto") return { format: wanted, chunks };
  const byName = BY_NAME.find(([pattern]) => pattern.test(path))?.[1];
  if (byName !== undefined) return { format: byName, chunks };
  const first = await chunks.next();
  async function* again(): AsyncGenerator<string> {
    if (first.done !== true) yield first.value;
    yield* chunks;
  }
  return { format: first.done !== true && first.value.trimStart().startsWith("{") ? "jsonl" : "csv", chunks: again() };
}
