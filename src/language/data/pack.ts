/** A dataset as token ids in shared memory: one copy for all worker threads, handed over by reference. */
import { setImmediate } from "node:timers/promises";
import { LockstepError, formatCount } from "../../base/index.ts";
import type { Tokenizer } from "../text/index.ts";

/** Row r is `ids[offsets[r] .. offsets[r + 1]]`. All three stand on `SharedArrayBuffer`s. */
export interface PackedDataset {
  readonly ids: Int32Array<SharedArrayBuffer>;
  /** rows + 1 numbers. */
  readonly offsets: Int32Array<SharedArrayBuffer>;
  /** Class of each row; absent for texts alone. */
  readonly labels: Int32Array<SharedArrayBuffer> | undefined;
  /** Rows that were cut to the tokenizer's (or the given) longest length. */
  readonly truncated: number;
}

export interface EncodeDatasetOptions {
  /** Longest row in tokens. @default the tokenizer's */
  readonly maxLength?: number;
  /** All rows together, in tokens. @default 500,000,000 (2 GB) */
  readonly maxTokens?: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Milliseconds of work between two turns of the event loop. */
const SLICE_MS = 8;

export interface EncodedRow {
  readonly ids: Int32Array;
  readonly typeIds: Int32Array;
  /** 1 where a token begins a word; empty where that is not asked. */
  readonly wordStarts: Uint8Array;
  readonly truncated: boolean;
}

/** Rows of tokens one after another, in shared memory. */
export interface EncodedRows extends Omit<PackedDataset, "labels"> {
  /** Empty where all are 0. */
  readonly typeIds: Uint8Array<SharedArrayBuffer>;
  /** Empty where no row has any. */
  readonly wordStarts: Uint8Array<SharedArrayBuffer>;
}

/**
 * Encodes every text with its special tokens; other work on this thread goes on meanwhile. A text that cannot be
 * encoded is named by its row.
 */
export async function encodeDataset(
  tokenizer: Tokenizer,
  texts: readonly string[],
  labels?: ArrayLike<number>,
  options: EncodeDatasetOptions = {},
): Promise<PackedDataset> {
  if (labels !== undefined && labels.length !== texts.length)
    throw new LockstepError("DATA_INVALID", `there are ${texts.length} texts and ${labels.length} labels`);
  const maxLength = options.maxLength === undefined ? {} : { maxLength: options.maxLength };
  const { ids, offsets, truncated } = await encodeRows(
    texts.length,
    (row) => tokenizer.encode(texts[row] as string, maxLength),
    options,
  );
  return { ids, offsets, labels: labels === undefined ? undefined : copyShared(labels), truncated };
}

export async function encodeRows(
  count: number,
  encode: (row: number) => EncodedRow | Promise<EncodedRow>,
  { maxTokens = 500_000_000, onProgress, signal }: EncodeDatasetOptions = {},
): Promise<EncodedRows> {
  const offsets = sharedInts(count + 1);
  const rows: EncodedRow[] = [];
  let truncated = 0;
  let total = 0;
  let turn = performance.now();
  for (let row = 0; row < count; row++) {
    const given = encode(row);
    const encoded = given instanceof Promise ? await given : given;
    rows.push(encoded);
    total += encoded.ids.length;
    if (encoded.truncated) truncated++;
    if (total > maxTokens)
      throw new LockstepError(
        "INPUT_TOO_LARGE",
        `the first ${row + 1} of ${count} texts have more than ${formatCount(maxTokens)} tokens; use ` +
          "fewer texts or a smaller maxLength",
        { maxTokens },
      );
    offsets[row + 1] = total;
    if (performance.now() - turn < SLICE_MS) continue;
    onProgress?.(row + 1, count);
    await setImmediate();
    if (signal?.aborted === true)
      throw new LockstepError("CANCELLED", "encoding the texts was cancelled", {}, { cause: signal.reason });
    turn = performance.now();
  }
  const ids = sharedInts(total);
  rows.forEach((row, i) => ids.set(row.ids, offsets[i]));
  const hasTypes = rows.some(({ typeIds }) => typeIds.some((type) => type !== 0));
  const typeIds = new Uint8Array(new SharedArrayBuffer(hasTypes ? total : 0));
  if (hasTypes) rows.forEach((row, i) => typeIds.set(row.typeIds, offsets[i]));
  const hasWords = rows.some(({ wordStarts }) => wordStarts.length > 0);
  const wordStarts = new Uint8Array(new SharedArrayBuffer(hasWords ? total : 0));
  if (hasWords) rows.forEach((row, i) => wordStarts.set(row.wordStarts, offsets[i]));
  onProgress?.(count, count);
  return { ids, offsets, typeIds, wordStarts, truncated };
}

function sharedInts(length: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(length * 4));
}

function copyShared(values: ArrayLike<number>): Int32Array<SharedArrayBuffer> {
  const copy = sharedInts(values.length);
  copy.set(values);
  return copy;
}
