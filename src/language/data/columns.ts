/** Which column holds the text and which the label: named by the caller, or guessed from the usual names. */
import { closest, LockstepError } from "../../base/index.ts";

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
  /** Taken where there are columns of these names, before any guess: those that a version was trained on. */
  readonly preferred?: { readonly text: string; readonly label: string } | undefined;
}
export interface Columns {
  readonly text: string;
  readonly label: string | undefined;
}

/** Throws DATA_INVALID that names the columns there are and the closest one. */
export function chooseColumns(names: readonly string[], choice: ColumnChoice, path: string): Columns {
  const text =
    choice.text === undefined ? guess(names, TEXT_NAMES, choice.preferred?.text) : find(names, choice.text, path);
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
        ? guess(names, LABEL_NAMES, choice.preferred?.label)
        : find(names, choice.label, path);
  if (label === text)
    throw missing(`${path}: the column ${JSON.stringify(text)} cannot be both text and label`, names, path);
  return { text, label };
}

/** There is no label, and one is needed. */
export function noLabels(names: readonly string[], path: string): LockstepError {
  return missing(
    `none of the columns of ${path} is called ${LABEL_NAMES.slice(0, 5).join(", ")} or the like; say which one holds ` +
      "the label (--label)",
    names,
    path,
  );
}

function guess(names: readonly string[], usual: readonly string[], preferred: string | undefined): string | undefined {
  if (preferred !== undefined && names.includes(preferred)) return preferred;
  for (const wanted of usual) {
    const found = names.find((name) => name.trim().toLowerCase() === wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

function find(names: readonly string[], wanted: string, path: string): string {
  if (names.includes(wanted)) return wanted;
  const near = closest(wanted, names);
  const hint = near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`;
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
