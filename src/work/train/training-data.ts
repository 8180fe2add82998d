/** What is trained on, as the workers have it: flat arrays, which may all lie in shared memory. */

/** Examples as token ids, flattened; `examples` lists those that are trained on. */
export interface TrainingData {
  readonly ids: Int32Array;
  /** Example e's tokens are ids[offsets[e] .. offsets[e+1]). */
  readonly offsets: Int32Array;
  /** Class of each example; empty for a phase without labels. */
  readonly labels: Int32Array;
  readonly examples: Int32Array;
}

export function tokenCount(data: TrainingData, example: number): number {
  return data.offsets[example + 1]! - data.offsets[example]!;
}

export function tokensOf(data: TrainingData, example: number): Int32Array {
  return data.ids.subarray(data.offsets[example], data.offsets[example + 1]);
}
