/**
 * Rows that a program has, such as those of a database's cursor, as a table. Each is read once, one after another, and
 * checked as it comes; fields are named by what they hold, and others are passed over. The table's hash is that of the
 * JSON-lines file that the fields which are read make, one row a line: those rows in a file are the same data.
 */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { LockstepError, formatBytes } from "../../base/index.ts";
import { chooseColumns, ROLES, type Columns, type Role, type RoleChoices } from "./columns.ts";
import { TableBuilder, type Table } from "./table-builder.ts";

/** One after another; a cursor is asked for the next row when the one before was read. */
export type Rows<Row extends object = object> = Iterable<Row> | AsyncIterable<Row>;

export interface ReadRowsOptions {
  /** What the rows were given as: complaints name it. */
  readonly name: string;
  /** Whether each row has to have a label. */
  readonly label: boolean;
  /** Further fields. @default none */
  readonly roles?: RoleChoices;
  /** What the field of the text may be called beside `text`. @default none */
  readonly textNames?: readonly string[];
  /** Bytes of all rows as JSON lines. @default 1 GiB */
  readonly maxBytes?: number;
  /** Bytes of one text or label in UTF-8. @default 1 MiB */
  readonly maxCellBytes?: number;
  /** @default 50,000,000 */
  readonly maxRows?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds of work between two turns of the event loop. */
const SLICE_MS = 8;

/**
 * A row is a plain object: `text`, and by what is asked for `label`, `second`, `negative`, `labels`, `score`, `tags`,
 * `answer`, `input`, `system`. Texts are strings (with tags, lists of words); labels and scores may be numbers,
 * booleans and bigints too. What is read is copied; it is held in memory, as a table from a file is.
 * @throws DATA_INVALID naming row and field, or where the rows themselves fail; INPUT_TOO_LARGE; CANCELLED
 */
export async function readRows(rows: Rows, options: ReadRowsOptions): Promise<Table> {
  const { name, roles = {}, signal } = options;
  const { maxBytes = 1 << 30, maxCellBytes = 1 << 20, maxRows = 50_000_000 } = options;
  const builder = new TableBuilder({ path: name, unit: "row" }, { maxCellBytes, maxRows });
  const hash = createHash("sha256");
  let bytes = 0;
  let columns: Columns | undefined;
  let names: readonly string[] = [];
  let turn = performance.now();
  for await (const row of eachOf(rows, name, signal)) {
    const at = builder.texts.length + 1;
    if (typeof row !== "object" || row === null || Array.isArray(row))
      throw new LockstepError(
        "DATA_INVALID",
        `row ${at} of ${name} is ${row === null ? "null" : Array.isArray(row) ? "a list" : `of type ${typeof row}`}; ` +
          "each row is an object with a text, such as { text, label }",
        { path: name, row: at },
      );
    const value = row as Readonly<Record<string, unknown>>;
    if (columns === undefined) {
      names = Object.keys(value);
      columns = columnsOf(names, options);
    }
    builder.addFields(value, columns, at, roles.answer !== undefined);
    const line = Buffer.from(lineOf(value, columns));
    hash.update(line);
    bytes += line.length;
    if (bytes > maxBytes)
      throw new LockstepError(
        "INPUT_TOO_LARGE",
        `the first ${at} rows of ${name} have more than ${formatBytes(maxBytes)} as JSON lines; give fewer`,
        { path: name, maxBytes },
      );
    if (performance.now() - turn < SLICE_MS) continue;
    await setImmediate();
    turn = performance.now();
  }
  if (columns === undefined)
    throw new LockstepError("DATA_INVALID", `${name} has no row; give at least one`, { path: name });
  return {
    texts: builder.texts,
    labels: columns.label === undefined ? undefined : builder.labels,
    cells: builder.cells,
    lines: Int32Array.from(builder.lines),
    columns,
    names,
    format: "jsonl",
    path: name,
    unit: "row",
    sha256: hash.digest("hex"),
    bytes,
  };
}

/** By the first row: what may be left out is read where it is there. */
function columnsOf(names: readonly string[], { name, label, roles = {}, textNames = [] }: ReadRowsOptions): Columns {
  const found: Partial<Record<Role, RoleChoices[Role]>> = {};
  for (const role of ROLES) {
    const need = roles[role]?.need;
    if (need === "needed" || (need !== undefined && names.includes(role))) found[role] = { name: role, need };
  }
  const text = ["text", ...textNames].find((one) => names.includes(one)) ?? "text";
  return chooseColumns(names, { text, label: label ? "label" : false, roles: found }, name);
}

/** Of the fields that are read, in one order. */
function lineOf(value: Readonly<Record<string, unknown>>, { text, label, roles }: Columns): string {
  const fields = [text, ...(label === undefined ? [] : [label]), ...ROLES.flatMap((role) => roles[role] ?? [])];
  return `{${fields.map((field) => `${JSON.stringify(field)}:${jsonOf(value[field])}`).join(",")}}\n`;
}

function jsonOf(value: unknown): string {
  return typeof value === "bigint" ? String(value) : JSON.stringify(value);
}

/** Ended where reading stops, however it stops, so that a cursor is closed. */
async function* eachOf(rows: Rows, name: string, signal: AbortSignal | undefined): AsyncGenerator {
  const iterator: AsyncIterator<unknown> | Iterator<unknown> =
    Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
  let given = 0;
  let isOpen = true;
  let isWaiting = false;
  try {
    for (;;) {
      isWaiting = true;
      const next = await unlessAborted(Promise.resolve(iterator.next()), signal);
      isWaiting = false;
      isOpen = next.done !== true;
      if (!isOpen) return;
      given++;
      yield next.value;
    }
  } catch (thrown) {
    if (signal?.aborted === true)
      throw new LockstepError("CANCELLED", `reading ${name} was interrupted`, { path: name }, { cause: thrown });
    isOpen = false; // what failed by itself has nothing left to end
    throw new LockstepError(
      "DATA_INVALID",
      `${name} failed after row ${given}: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      { path: name, row: given },
      { cause: thrown },
    );
  } finally {
    // one that is asked for a row ends only after it
    const ended = isOpen ? Promise.resolve(iterator.return?.()).catch(() => undefined) : undefined;
    if (!isWaiting) await ended;
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => {
    reject(signal.reason as Error);
  };
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
