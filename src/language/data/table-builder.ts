/** A table while it is read, from a file or from rows of a program: each row is checked as it comes, and said where. */
import { LABEL_LIMITS, LockstepError, formatBytes, type ErrorDetails } from "../../base/index.ts";
import { ROLES, type Columns, type Role } from "./columns.ts";

export type TableFormat = "csv" | "jsonl" | "conll" | "text" | "lines";

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
  /** Of the file; of rows that were given, what they were given as. */
  readonly path: string;
  /** What a complaint counts: lines of a file, or rows that were given. @default "line" */
  readonly unit?: Unit;
  /** SHA-256 of the file's bytes, in hex. */
  readonly sha256: string;
  readonly bytes: number;
}

export type Unit = "line" | "row";

/** What complaints about a row need of its table. */
export type Origin = Pick<Table, "path" | "unit">;

/** A row, from 1, as it is spoken of: "line 7 of x.csv (row 6)", "row 6 of data". */
export function rowAt({ path, unit }: Origin, row: number, line: number | undefined): string {
  return unit === "row" || line === undefined ? `row ${row} of ${path}` : `line ${line} of ${path} (row ${row})`;
}

/** The same of a table's row, from 0, with the details of an error about it. */
export function placeOf(
  { lines, ...origin }: Origin & Pick<Table, "lines">,
  row: number,
): { readonly where: string; readonly details: ErrorDetails } {
  const { path, unit } = origin;
  const line = unit === "row" ? {} : { line: lines[row] ?? null };
  return { where: rowAt(origin, row + 1, lines[row]), details: { path, ...line, row: row + 1 } };
}

export interface TableLimits {
  /** Bytes of one text or label in UTF-8. */
  readonly maxCellBytes: number;
  readonly maxRows: number;
}

/** What a field may be beside a string. */
type FieldKind = "scalar" | "list" | "messages";

/** What may be left empty: a list of labels, and what an instruction may come without. */
const MAY_BE_EMPTY: ReadonlySet<Role> = new Set(["labels", "input", "system"]);

/** The rows so far. */
export class TableBuilder {
  readonly texts: string[] = [];
  readonly labels: string[] = [];
  readonly lines: number[] = [];
  readonly cells: Partial<Record<Role, string[]>> = {};
  readonly origin: Origin;
  readonly #limits: TableLimits;

  constructor(origin: Origin, limits: TableLimits) {
    this.origin = origin;
    this.#limits = limits;
  }

  get path(): string {
    return this.origin.path;
  }

  add(text: string, label: string | undefined, columns: Columns, line: number): void {
    const { maxRows } = this.#limits;
    if (this.texts.length >= maxRows)
      throw new LockstepError("INPUT_TOO_LARGE", `${this.path} has more than ${maxRows} rows`, { path: this.path });
    this.#check(text, columns.text, line, this.texts.length + 1);
    this.texts.push(text);
    this.lines.push(line);
    if (label === undefined || columns.label === undefined) return;
    this.#check(label, columns.label, line, this.texts.length);
    const trimmed = label.trim();
    if (trimmed.length > LABEL_LIMITS.length)
      throw new LockstepError(
        "DATA_INVALID",
        `${this.#where(line, this.texts.length, columns.label)}: the label has ${trimmed.length} characters, at most ` +
          `${LABEL_LIMITS.length} are taken; is this the right column?`,
        this.#details(line, this.texts.length, columns.label),
      );
    this.labels.push(trimmed);
  }

  /** Of the row that was added last. */
  addCell(role: Role, cell: string, columns: Columns, line: number): void {
    if (!(MAY_BE_EMPTY.has(role) && cell.trim() === ""))
      this.#check(cell, columns.roles[role] ?? role, line, this.texts.length);
    (this.cells[role] ??= []).push(cell);
  }

  /** A row that has names for its fields, on a line of its own. `chats`: its text may be a list of messages. */
  addFields(value: Readonly<Record<string, unknown>>, columns: Columns, line: number, chats: boolean): void {
    const row = this.texts.length + 1;
    const read = (name: string, kinds: readonly FieldKind[]) => this.#field(value, name, kinds, line, row);
    const label = columns.label === undefined ? undefined : read(columns.label, ["scalar"]);
    // a list of words belongs to a list of tags
    const kinds: readonly FieldKind[] = columns.roles.tags !== undefined ? ["list"] : chats ? ["messages"] : [];
    this.add(read(columns.text, kinds), label, columns, line);
    for (const role of ROLES) {
      const name = columns.roles[role];
      if (name !== undefined) this.addCell(role, read(name, ["scalar", "list"]), columns, line);
    }
  }

  /**
   * A text must be a string; by `kinds`, a scalar may be a number or a boolean too, as `String` writes it, and a list
   * of strings and numbers, or of messages, becomes JSON text.
   */
  #field(
    value: Readonly<Record<string, unknown>>,
    name: string,
    kinds: readonly FieldKind[],
    line: number,
    row: number,
  ): string {
    const found = Object.hasOwn(value, name) ? value[name] : undefined;
    if (typeof found === "string") return found;
    if (kinds.includes("scalar") && isScalar(found)) return String(found);
    if (kinds.includes("list") && Array.isArray(found) && found.every(isItem)) return JSON.stringify(found.map(String));
    const messages = kinds.includes("messages") && Array.isArray(found) ? jsonText(found) : undefined;
    if (messages !== undefined) return messages;
    const what =
      found === undefined
        ? "is missing"
        : `is ${found === null || Object.is(found, NaN) ? String(found) : kindOf(found)}, not a string` +
          (kinds.includes("scalar") ? " or a number" : "");
    const where = this.origin.unit === "row" ? `row ${row}` : `line ${line}`;
    throw new LockstepError(
      "DATA_INVALID",
      `${where} of ${this.path}: ${JSON.stringify(name)} ${what}`,
      this.#details(line, row, name),
    );
  }

  #where(line: number, row: number, column: string): string {
    return `${rowAt(this.origin, row, line)}, column ${JSON.stringify(column)}`;
  }

  #details(line: number, row: number, column: string): ErrorDetails {
    return { path: this.path, ...(this.origin.unit === "row" ? {} : { line }), row, column };
  }

  #check(cell: string, column: string, line: number, row: number): void {
    const { maxCellBytes } = this.#limits;
    const refuse = (what: string, more: ErrorDetails = {}): never => {
      const details = { ...this.#details(line, row, column), ...more };
      throw new LockstepError("DATA_INVALID", `${this.#where(line, row, column)}: ${what}`, details);
    };
    // A code unit takes at most three bytes, so most cells need no count.
    if (cell.length * 3 > maxCellBytes) {
      const bytes = Buffer.byteLength(cell);
      if (bytes > maxCellBytes)
        refuse(
          `the cell has ${formatBytes(bytes)}, at most ${formatBytes(maxCellBytes)} are taken; a quote may be ` +
            "missing before it, or the text has to be shortened",
          { bytes },
        );
    }
    if (cell.trim() === "") refuse("the cell is empty; fill it or leave the row out");
    if (!cell.isWellFormed()) refuse("the cell holds half a character (a lone surrogate)");
  }
}

/** Undefined for what JSON cannot say. */
function jsonText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return value === Infinity || value === -Infinity ? "infinite" : `of type ${typeof value}`;
}

function isScalar(value: unknown): boolean {
  return typeof value === "boolean" || typeof value === "bigint" || Number.isFinite(value);
}

function isItem(value: unknown): boolean {
  return typeof value === "string" || Number.isFinite(value);
}
