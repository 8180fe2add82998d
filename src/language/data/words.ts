/**
 * Words with tags as tokens with classes: the first token of a word has the word's class, the others and special tokens
 * have none, as in Hugging Face's token classification.
 */
import { LABEL_LIMITS, LockstepError } from "../../base/index.ts";
import type { Tokenizer } from "../text/index.ts";
import { lookAlike, visible } from "./label-warnings.ts";
import type { EncodedRow } from "./pack.ts";
import { placeOf, type Table } from "./table-builder.ts";

/** The class of a token that has none. */
export const IGNORED = -100;

/** Words or tags of a cell: a JSON list of strings, or what stands between white space. */
export function wordsOf(cell: string): readonly string[] {
  if (cell.startsWith("[")) {
    try {
      const value: unknown = JSON.parse(cell);
      if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
    } catch {
      // a text that begins with a bracket
    }
  }
  return cell.split(/\s+/).filter((word) => word !== "");
}

/** Distinct tags in the order of UTF-16 code units. @throws DATA_INVALID for one alone, or too many */
export function tagNames(tags: readonly (readonly string[])[]): readonly string[] {
  const names = [...new Set(tags.flat())].sort((a, b) => (a < b ? -1 : 1));
  if (names.length === 1)
    throw new LockstepError(
      "DATA_INVALID",
      `every word has the tag ${visible(names[0]!)}, and at least two tags are needed; is this the right column?`,
      { tags: 1 },
    );
  if (names.length < 2 || names.length > LABEL_LIMITS.count)
    throw new LockstepError(
      "DATA_INVALID",
      `there are ${names.length} distinct tags; from 2 to ${LABEL_LIMITS.count} are taken; is this the right column?`,
      { tags: names.length },
    );
  return names;
}

/** Words of a row, and the class of each. */
export interface TaggedWords {
  readonly words: readonly string[];
  readonly classes: readonly number[];
}

/** The class of each word of a row, by its tag. @throws DATA_INVALID with the row's line */
export function tagIds(
  table: Pick<Table, "texts" | "path" | "lines" | "unit">,
  row: number,
  tags: readonly string[],
  idOf: ReadonlyMap<string, number>,
): TaggedWords {
  const words = wordsOf(table.texts[row]!);
  const { where, details } = placeOf(table, row);
  if (words.length !== tags.length)
    throw new LockstepError("DATA_INVALID", `${where} has ${words.length} words and ${tags.length} tags`, details);
  const classes = tags.map((tag) => {
    const id = idOf.get(tag);
    if (id !== undefined) return id;
    const meant = lookAlike(tag, [...idOf.keys()]);
    throw new LockstepError(
      "DATA_INVALID",
      `${where} has the tag ${visible(tag)}, which is none of the ${idOf.size} known ones` +
        (meant === undefined ? "" : `; the known ${visible(meant)} looks like it`),
      details,
    );
  });
  return { words, classes };
}

/** Which word each place of the words' text is in, a space being between two; -1: in none. */
export function wordPlaces(words: readonly string[]): Int32Array {
  const places = new Int32Array(words.join(" ").length).fill(-1);
  let start = 0;
  words.forEach((word, index) => {
    places.fill(index, start, start + word.length);
    start += word.length + 1;
  });
  return places;
}

/** A row of a table as tokens, with a class each. @throws DATA_INVALID with its line */
export async function encodeWords(
  tokenizer: Tokenizer,
  table: Table,
  row: number,
  tags: readonly string[],
  idOf: ReadonlyMap<string, number>,
  maxLength: number | undefined,
): Promise<EncodedRow & { readonly labels: readonly number[] }> {
  const { words, classes } = tagIds(table, row, tags, idOf);
  const text = words.join(" ");
  const encoded = await tokenizer.encode(text, {
    ...(maxLength === undefined ? {} : { maxLength }),
    offsets: true,
  });
  const wordAt = wordPlaces(words);
  let before = -1;
  const labels = Array.from(encoded.ids, (_, token) => {
    // by its last character: a token may begin with the space before a word
    const end = encoded.offsets[2 * token + 1]!;
    const word = end === encoded.offsets[2 * token] ? -1 : wordAt[end - 1]!;
    if (word < 0 || word === before) return IGNORED;
    before = word;
    return classes[word]!;
  });
  return { ...encoded, labels };
}
