/**
 * What a table's rows are to a training: texts alone, texts with one class, several, a number, words with tags, texts
 * that belong together, or conversations. A reading says which columns it needs and makes of every row one
 * example: tokens, and what is to be learned of them.
 */
import { LockstepError } from "../../base/index.ts";
import { withChatTemplate, type Tokenizer } from "../text/index.ts";
import { CHAT_NAMES, encodeChat, wordsOfChat } from "./chats.ts";
import type { Need, Role } from "./columns.ts";
import { labelFinder, labelIds, labelNames } from "./labels.ts";
import { encodeRows, type EncodedRow, type EncodeDatasetOptions } from "./pack.ts";
import { placeOf, type Table } from "./table-builder.ts";
import { requireLabels } from "./table.ts";
import { encodeWords, tagNames, wordsOf } from "./words.ts";

/** Examples as flat arrays in shared memory. Example e has the rows e·rowsEach to (e+1)·rowsEach − 1. */
export interface ExampleData {
  readonly ids: Int32Array;
  /** Row r is `ids[offsets[r] .. offsets[r + 1]]`. */
  readonly offsets: Int32Array;
  /** 1 for tokens of a second text; empty where there is none. */
  readonly typeIds: Uint8Array;
  /** 1 for tokens that begin a word; empty where the reading does not say. */
  readonly wordStarts: Uint8Array;
  /** A class of each example, or a class of each token (−100: none); empty where there are none. */
  readonly labels: Int32Array;
  /** [examples, width]: numbers to be learned; empty where there are none. */
  readonly values: Float32Array;
}

export interface Reading {
  /** Whether there has to be a column of one label a text. */
  readonly label: boolean;
  /** Names that its column of texts usually has, before those of any. @default none */
  readonly textNames?: readonly string[];
  readonly roles: { readonly [R in Role]?: Need };
  /** Rows of tokens an example has. */
  rowsEach(table: Table): number;
  /** The tokenizer as it is needed, such as with a chat template. @default as it is */
  readonly tokenizer?: (tokenizer: Tokenizer) => Tokenizer;
  /** What an example is as a text: the split goes by it, and a tokenizer is trained on it. */
  texts(table: Table): readonly string[];
  /** Names of classes by id; none where none are learned. @throws DATA_INVALID */
  names(table: Table): readonly string[];
  /** `names`: those of the table that is trained on. @throws DATA_INVALID with the line of what is none of them */
  encode(
    table: Table,
    tokenizer: Tokenizer,
    names: readonly string[],
    options: EncodeDatasetOptions,
  ): Promise<ExampleData>;
}

const NOTHING = { labels: new Int32Array(0), values: new Float32Array(0) };

/** The texts of a table; of one of words, what they are with a space between two. */
export function plainTexts({ texts, cells: { tags }, format }: Table): readonly string[] {
  return tags === undefined && format !== "conll" ? texts : texts.map((cell) => wordsOf(cell).join(" "));
}

/** Texts, each with its second one where there is a column of them. */
function encodeTexts(
  table: Table,
  tokenizer: Tokenizer,
  options: EncodeDatasetOptions,
  wordStarts = false,
): Promise<Omit<ExampleData, "labels" | "values">> {
  const texts = plainTexts(table);
  const { second } = table.cells;
  const own = { wordStarts, ...(options.maxLength === undefined ? {} : { maxLength: options.maxLength }) };
  return encodeRows(
    texts.length,
    (row) => tokenizer.encode(texts[row]!, second === undefined ? own : { ...own, pair: second[row]! }),
    options,
  );
}

/** Both texts, where there are two: copies of a pair never stand on both sides of a split. */
function joined(table: Table): readonly string[] {
  const { second } = table.cells;
  return plainTexts(table).map((text, row) => (second === undefined ? text : `${text}\n${second[row]}`));
}

const text: Reading = {
  label: false,
  roles: { second: "named" },
  rowsEach: () => 1,
  texts: joined,
  names: () => [],
  encode: async (table, tokenizer, _, options) => ({
    ...(await encodeTexts(table, tokenizer, options, true)),
    ...NOTHING,
  }),
};

const textClass: Reading = {
  ...text,
  label: true,
  names: (table) => labelNames(requireLabels(table).labels),
  encode: async (table, tokenizer, names, options) => ({
    ...(await encodeTexts(table, tokenizer, options)),
    ...NOTHING,
    labels: shared(labelIds(requireLabels(table).labels, names, table)),
  }),
};

const textClasses: Reading = {
  ...text,
  roles: { second: "named", labels: "needed" },
  names: (table) => labelNames(cellsOf(table, "labels").flatMap(listOf)),
  async encode(table, tokenizer, names, options) {
    const values = new Float32Array(new SharedArrayBuffer(4 * table.texts.length * names.length));
    const idOf = labelFinder(names, table);
    cellsOf(table, "labels").forEach((cell, row) => {
      for (const label of listOf(cell)) values[row * names.length + idOf(label, row)] = 1;
    });
    return { ...(await encodeTexts(table, tokenizer, options)), ...NOTHING, values };
  },
};

const textScore: Reading = {
  ...text,
  roles: { second: "named", score: "needed" },
  async encode(table, tokenizer, _, options) {
    const values = new Float32Array(new SharedArrayBuffer(4 * table.texts.length));
    cellsOf(table, "score").forEach((cell, row) => {
      values[row] = numberOf(cell, table, row);
    });
    return { ...(await encodeTexts(table, tokenizer, options)), ...NOTHING, values };
  },
};

const wordTags: Reading = {
  label: false,
  roles: { tags: "needed" },
  rowsEach: () => 1,
  texts: plainTexts,
  names: (table) => tagNames(cellsOf(table, "tags").map(wordsOf)),
  async encode(table, tokenizer, names, options) {
    const idOf = new Map(names.map((name, id) => [name, id]));
    const tags = cellsOf(table, "tags");
    return await encodeLabelled(table, options, (row) =>
      encodeWords(tokenizer, table, row, wordsOf(tags[row]!), idOf, options.maxLength),
    );
  },
};

/** Rows with a label for each token. */
async function encodeLabelled(
  { texts }: Table,
  options: EncodeDatasetOptions,
  encode: (row: number) => Promise<EncodedRow & { readonly labels: ArrayLike<number> }>,
): Promise<ExampleData> {
  const labels: number[] = [];
  const rows = await encodeRows(
    texts.length,
    async (row) => {
      const encoded = await encode(row);
      for (let t = 0; t < encoded.labels.length; t++) labels.push(encoded.labels[t]!);
      return encoded;
    },
    options,
  );
  return { ...rows, ...NOTHING, labels: shared(Int32Array.from(labels)) };
}

/** Conversations; a token's label is the token where it is learned. */
const chats: Reading = {
  ...text,
  textNames: CHAT_NAMES,
  roles: { answer: "guessed", input: "guessed", system: "guessed" },
  tokenizer: withChatTemplate,
  texts: (table) => table.texts.map((_, row) => wordsOfChat(table, row)),
  encode: (table, tokenizer, _, options) =>
    encodeLabelled(table, options, (row) => encodeChat(tokenizer, table, row, options.maxLength)),
};

/** A text, the one that belongs to it, and one that does not where there is a column of them. */
const pairs: Reading = {
  label: false,
  roles: { second: "needed", negative: "guessed" },
  rowsEach: ({ cells }) => (cells.negative === undefined ? 2 : 3),
  texts: joined,
  names: () => [],
  async encode(table, tokenizer, _, options) {
    const { negative } = table.cells;
    const columns = [table.texts, cellsOf(table, "second"), ...(negative === undefined ? [] : [negative])];
    const maxLength = options.maxLength === undefined ? {} : { maxLength: options.maxLength };
    const rows = await encodeRows(
      table.texts.length * columns.length,
      (row) => tokenizer.encode(columns[row % columns.length]![Math.floor(row / columns.length)]!, maxLength),
      options,
    );
    return { ...rows, ...NOTHING };
  },
};

export const READINGS = {
  text,
  "text-class": textClass,
  "text-classes": textClasses,
  "text-score": textScore,
  "word-tags": wordTags,
  pairs,
  chats,
} as const satisfies Readonly<Record<string, Reading>>;
export type ReadingName = keyof typeof READINGS;

/** The cells of a further column. @throws DATA_INVALID: there is none */
export function cellsOf({ cells, path }: Table, role: Role): readonly string[] {
  const found = cells[role];
  if (found === undefined)
    throw new LockstepError("DATA_INVALID", `${path} has no column of ${role}; say which one it is (columns.${role})`, {
      path,
      role,
    });
  return found;
}

/** Labels of one cell: a JSON list of strings, or names with | between them; an empty cell is none. */
export function listOf(cell: string): readonly string[] {
  const names = parsedList(cell) ?? cell.split("|");
  return [...new Set(names.map((name) => name.trim()).filter((name) => name !== ""))];
}

function parsedList(cell: string): readonly string[] | undefined {
  if (!cell.trimStart().startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(cell);
    return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

/** @throws DATA_INVALID with the line: it is no finite number */
export function numberOf(cell: string, table: Table, row: number): number {
  const value = cell.trim() === "" ? NaN : Number(cell);
  if (Number.isFinite(value)) return value;
  const { where, details } = placeOf(table, row);
  throw new LockstepError(
    "DATA_INVALID",
    `${where} has the score ${JSON.stringify(cell.slice(0, 60))}, which is no finite number`,
    details,
  );
}

function shared(values: Int32Array): Int32Array {
  const copy = new Int32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}
