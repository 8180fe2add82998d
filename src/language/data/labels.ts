/** Labels as class numbers. */
import { LABEL_LIMITS, LockstepError, formatBytes } from "../../base/index.ts";
import { lookAlike, visible } from "./label-warnings.ts";
import { placeOf, type Table } from "./table-builder.ts";

export interface LabelSpace {
  /** Distinct labels in the order of UTF-16 code units; a class is its place here. */
  readonly names: readonly string[];
  /** Class of each row. */
  readonly ids: Int32Array;
}

/** Throws DATA_INVALID for a single class, too many, or names that are too long together. */
export function labelSpace(labels: readonly string[]): LabelSpace {
  const names = labelNames(labels);
  return { names, ids: labelIds(labels, names) };
}

/** The distinct labels, in order. @throws as `labelSpace` */
export function labelNames(labels: readonly string[]): readonly string[] {
  const names = [...new Set(labels)].sort((a, b) => (a < b ? -1 : 1));
  if (names.length < 2) {
    const which = labels.length === 1 ? "there is one row, with" : `all ${labels.length} rows have`;
    throw new LockstepError(
      "DATA_INVALID",
      names.length === 0
        ? "there are no labels"
        : `${which} the label ${visible(names[0]!)}; a classifier needs at least two classes`,
      { classes: names.length },
    );
  }
  if (names.length > LABEL_LIMITS.count)
    throw new LockstepError(
      "DATA_INVALID",
      `there are ${names.length} distinct labels, at most ${LABEL_LIMITS.count} are taken; is this the right column?`,
      { classes: names.length },
    );
  const bytes = Buffer.byteLength(JSON.stringify(names));
  if (bytes > LABEL_LIMITS.jsonBytes)
    throw new LockstepError(
      "DATA_INVALID",
      `the ${names.length} labels have ${formatBytes(bytes)} together, at most ` +
        `${formatBytes(LABEL_LIMITS.jsonBytes)} are taken; shorten them, or is this the wrong column?`,
      { classes: names.length, bytes },
    );
  return names;
}

/**
 * Classes of `labels` among `names`; a label that is not there is DATA_INVALID with its row (from 1) and, given the
 * table, its line.
 */
export function labelIds(
  labels: readonly string[],
  names: readonly string[],
  table?: Pick<Table, "path" | "lines" | "unit">,
): Int32Array {
  return Int32Array.from(labels, labelFinder(names, table));
}

/** The same of one label, of a row from 0. */
export function labelFinder(
  names: readonly string[],
  table?: Pick<Table, "path" | "lines" | "unit">,
): (label: string, row: number) => number {
  const idOf = new Map(names.map((name, id) => [name, id]));
  return (label, row) => {
    const id = idOf.get(label);
    if (id !== undefined) return id;
    const meant = lookAlike(label, names);
    throw new LockstepError(
      "DATA_INVALID",
      (table === undefined ? `row ${row + 1}` : placeOf(table, row).where) +
        ` has the label ${visible(label)}, which is none of the ${names.length} known ones` +
        (meant === undefined ? "" : `; the known ${visible(meant)} looks like it`),
      { row: row + 1, label: label.slice(0, 60) },
    );
  };
}
