/** What is trained on, as the workers have it: flat arrays, which may all lie in shared memory. */
import type { TokenRow } from "../../language/models/index.ts";

/** Examples as token ids, flattened; `examples` lists those that are trained on. */
export interface TrainingData {
  readonly ids: Int32Array;
  /** Row r's tokens are ids[offsets[r] .. offsets[r+1]). */
  readonly offsets: Int32Array;
  /** 1 for tokens of a second text; empty or absent where there is none. */
  readonly typeIds?: Uint8Array;
  /** 1 for tokens that begin a word; empty or absent where nobody asks. */
  readonly wordStarts?: Uint8Array;
  /** The text of each token within its row, where several texts share one. @default a row is one text */
  readonly documents?: Int32Array;
  /** A class of each example, or one of each token (−100: none); empty for a phase without classes. */
  readonly labels: Int32Array;
  /** [examples, width]: numbers to be learned. */
  readonly values?: Float32Array;
  /** Rows of an example e: from e·rowsEach on. @default 1 */
  readonly rowsEach?: number;
  readonly examples: Int32Array;
}

/** `train` and `validation` list examples. */
export interface Dataset extends Omit<TrainingData, "examples"> {
  readonly train: Int32Array;
  readonly validation: Int32Array;
}

/** Of the longest row of an example. */
export function tokenCount(data: TrainingData, example: number): number {
  const { offsets, rowsEach = 1 } = data;
  let most = 0;
  for (let row = example * rowsEach; row < (example + 1) * rowsEach; row++)
    most = Math.max(most, offsets[row + 1]! - offsets[row]!);
  return most;
}

export function tokensOf({ ids, offsets }: TrainingData, row: number): Int32Array {
  return ids.subarray(offsets[row], offsets[row + 1]);
}

/** A row's tokens with their types. */
export function rowOf(data: TrainingData, row: number): TokenRow {
  const { offsets, typeIds } = data;
  const ids = tokensOf(data, row);
  return typeIds === undefined || typeIds.length === 0
    ? { ids }
    : { ids, typeIds: Int32Array.from(typeIds.subarray(offsets[row], offsets[row + 1])) };
}
