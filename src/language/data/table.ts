/** A CSV or JSON-lines file as texts and labels, each row checked, each complaint with its line. */
import { z } from "zod";
import { isLockstepError, LockstepError, parseOptions } from "../../base/index.ts";
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
import { TableBuilder, type Table, type TableFormat } from "./table-builder.ts";
import { readText, type FileFacts } from "./text-file.ts";

export const TABLE_FORMATS = ["csv", "jsonl", "conll", "text", "lines"] as const satisfies readonly TableFormat[];

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
   * "conll" has the columns `tokens` and `tags`, one row a sentence; "text" the column `text`, one row a paragraph;
   * "lines" the same, one row a line.
   */
  format: z.enum([...TABLE_FORMATS, "auto"]).default("auto"),
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

/** Throws NOT_FOUND, INPUT_TOO_LARGE, or DATA_INVALID with file, line and column. */
export async function readTable(path: string, options: ReadTableOptions = {}): Promise<Table> {
  const settled = parseOptions(tableOptions, options, "the options of readTable");
  const facts: FileFacts = { sha256: "", bytes: 0 };
  const { format, chunks, isGuess } = await detect(path, settled.format, readText(path, settled.maxFileBytes, facts));
  const rows = new TableBuilder({ path }, settled);
  const found = await READERS[format](chunks, rows, settled).catch((thrown: unknown) => {
    if (!isGuess || !isLockstepError(thrown) || thrown.details["columns"] === undefined) throw thrown;
    const { code, message, details } = thrown;
    throw new LockstepError(
      code,
      `${message}; it was read as ${format.toUpperCase()}, as its name says no other format (--format)`,
      details,
      { cause: thrown },
    );
  });
  if (found === undefined)
    throw new LockstepError(
      "DATA_INVALID",
      `${path} is empty; give ${format === "csv" ? "a header line and at least one row" : "at least one row"}`,
      { path },
    );
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

type Reader = (chunks: AsyncIterable<string>, rows: TableBuilder, settled: Settled) => Promise<Found | undefined>;
const READERS: { readonly [F in TableFormat]: Reader } = {
  csv: readCsv,
  jsonl: readJsonl,
  conll: readConll,
  text: readParagraphs,
  lines: readLines,
};

async function readCsv(
  chunks: AsyncIterable<string>,
  rows: TableBuilder,
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
  rows: TableBuilder,
  { text, textNames, label, preferred, roles, maxCellBytes }: Settled,
): Promise<Found | undefined> {
  let columns: Columns | undefined;
  let names: readonly string[] = [];
  for await (const { value, line } of jsonRecords(chunks, rows.path, maxRecord(maxCellBytes))) {
    if (columns === undefined) {
      names = Object.keys(value);
      columns = chooseColumns(names, { text, textNames, label, preferred, roles }, rows.path);
    }
    rows.addFields(value, columns, line, roles.answer !== undefined);
  }
  return columns === undefined ? undefined : { columns, names };
}

/** Sentences of words, each with a tag. */
async function readConll(
  chunks: AsyncIterable<string>,
  rows: TableBuilder,
  settled: Settled,
): Promise<Found | undefined> {
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

const TEXTS_ALONE: Columns = { text: "text", label: undefined, roles: {} };

/** Lines that are not empty. */
async function readLines(
  chunks: AsyncIterable<string>,
  rows: TableBuilder,
  { maxCellBytes }: Settled,
): Promise<Found | undefined> {
  for await (const { text, line } of numberedLines(chunks, rows.path, maxRecord(maxCellBytes)))
    if (text.trim() !== "") rows.add(text, undefined, TEXTS_ALONE, line);
  return textsAlone(rows);
}

function textsAlone({ texts }: TableBuilder): Found | undefined {
  return texts.length === 0 ? undefined : { columns: TEXTS_ALONE, names: ["text"] };
}

/** Paragraphs: what stands between empty lines, line ends within them kept as one line feed. */
async function readParagraphs(
  chunks: AsyncIterable<string>,
  rows: TableBuilder,
  { maxCellBytes }: Settled,
): Promise<Found | undefined> {
  let lines: string[] = [];
  let size = 0;
  let last = 0;
  const end = (): void => {
    if (lines.length > 0) rows.add(lines.join("\n"), undefined, TEXTS_ALONE, last);
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
  return textsAlone(rows);
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
): Promise<{ format: TableFormat; chunks: AsyncIterable<string>; isGuess: boolean }> {
  if (wanted !== "auto") return { format: wanted, chunks, isGuess: false };
  const byName = BY_NAME.find(([pattern]) => pattern.test(path))?.[1];
  if (byName !== undefined) return { format: byName, chunks, isGuess: false };
  const first = await chunks.next();
  async function* again(): AsyncGenerator<string> {
    if (first.done !== true) yield first.value;
    yield* chunks;
  }
  const format = first.done !== true && first.value.trimStart().startsWith("{") ? "jsonl" : "csv";
  return { format, chunks: again(), isGuess: true };
}
