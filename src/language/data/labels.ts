/** Labels as class numbers. */
import { LockstepError } from "../../base/index.ts";

export interface LabelSpace {
  /** Distinct labels in the order of UTF-16 code units; a class is its place here. */
  readonly names: readonly string[];
  /** Class of each row. */
  readonly ids: Int32Array;
}

/** More classes than this are a wrong column (an id, say), not a task. */
export const MAX_CLASSES = 20_000;

/** Throws DATA_INVALID for a single class or too many. */
export function labelSpace(labels: readonly string[]): LabelSpace {
  const names = [...new Set(labels)].sort((a, b) => (a < b ? -1 : 1));
  if (names.length < 2) {
    throw new LockstepError(
      "DATA_INVALID",
      names.length === 0
        ? "there are no labels"
        : `all ${labels.length} rows have the label ${JSON.stringify(names[0]?.slice(0, 60))}; a classifier ` +
            "needs at least two classes",
      { classes: names.length },
    );
  }
  if (names.length > MAX_CLASSES)
    throw new LockstepError(
      "DATA_INVALID",
      `there are ${names.length} distinct labels, at most ${MAX_CLASSES} are taken; is this the right column?`,
      { classes: names.length },
    );
  return { names, ids: labelIds(labels, names) };
}

/**
 * Classes of `labels` among `names`; a label that is not there is DATA_INVALID with its row (from 1) and, given
 * `lines`, its line.
 */
export function labelIds(labels: readonly string[], names: readonly string[], lines?: Int32Array): Int32Array {
  const idOf = new Map(names.map((name, id) => [name, id]));
  return Int32Array.from(labels, (label, row) => {
    const id = idOf.get(label);
    if (id === undefined) {
      const line = lines?.[row];
      throw new LockstepError(
        "DATA_INVALID",
        `row ${row + 1}${line === undefined ? "" : ` (line ${line})`} has the label ` +
          `${JSON.stringify(label.slice(0, 60))}, which is none of the ${names.length} known ones`,
        { row: row + 1, label: label.slice(0, 60) },
      );
    }
    return id;
  });
}
