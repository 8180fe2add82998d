/** Which column holds the text and which the label: named by the caller, or guessed from the usual names. */
import { LockstepError } from "../../base/index.ts";

/** Guessed in this order, whatever the case. */
export const TEXT_NAMES: readonly string[] = [
  "text",
  "sentence",
  "question",
  "query",
  "utterance",
  "message",
  "content",
  "review",
  "comment",
  "headline",
  "title",
  "body",
];
export const LABEL_NAMES: readonly string[] = [
  "label",
  "labels",
  "intent",
  "category",
  "class",
  "target",
  "sentiment",
  "tag",
];

/** A column name, undefined to guess (a label may then be missing), or false for none. */
export interface ColumnChoice {
  readonly text: string | undefined;
  readonly label: string | false | undefined;
}
export interface Columns {
  readonly text: string;
  readonly label: string | undefined;
}

/** Throws DATA_INVALID that names the columns there are and the closest one. */
export function chooseColumns(names: readonly string[], choice: ColumnChoice, path: string): Columns {
  const text = choice.text === undefined ? guess(names, TEXT_NAMES) : find(names, choice.text, path);
  if (text === undefined)
    throw missing(
      `none of the columns of ${path} is called ${TEXT_NAMES.slice(0, 5).join(", ")} or the like; say which ` +
        "one holds the text",
      names,
      path,
    );
  const label =
    choice.label === false
      ? undefined
      : choice.label === undefined
        ? guess(names, LABEL_NAMES)
        : find(names, choice.label, path);
  if (label === text)
    throw missing(`${path}: the column ${JSON.stringify(text)} cannot be both text and label`, names, path);
  return { text, label };
}

function guess(names: readonly string[], usual: readonly string[]): string | undefined {
  for (const wanted of usual) {
    const found = names.find((name) => name.trim().toLowerCase() === wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

function find(names: readonly string[], wanted: string, path: string): string {
  if (names.includes(wanted)) return wanted;
  const closest = names
    .map((name) => ({ name, distance: editDistance(name.toLowerCase(), wanted.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const hint =
    closest !== undefined && closest.distance <= Math.max(2, wanted.length / 3)
      ? `; did you mean ${JSON.stringify(closest.name)}?`
      : "";
  throw missing(`${path} has no column ${JSON.stringify(wanted)}${hint}`, names, path);
}

function missing(problem: string, names: readonly string[], path: string): LockstepError {
  const shown = names.slice(0, 20).map((name) => JSON.stringify(name.slice(0, 60)));
  return new LockstepError(
    "DATA_INVALID",
    `${problem} (its columns are ${shown.join(", ")}${names.length > 20 ? ", …" : ""})`,
    { path, columns: names.slice(0, 20) },
  );
}

/** Levenshtein, on at most 60 code units of each. */
function editDistance(first: string, second: string): number {
  const [a, b] = [first.slice(0, 60), second.slice(0, 60)];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
