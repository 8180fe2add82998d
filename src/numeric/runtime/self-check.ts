/**
 * The self-check of a loaded program: a row's answer must not depend on its batch. The library promises no such thing,
 * so each served version is tried when it is loaded: some probe rows, alone, again, and in batches at several positions
 * among the others. Raw bits must agree and be finite. It takes as long as a few batches; `verify` is the thorough
 * form.
 */
import { LockstepError } from "../../base/index.ts";

export interface RowCheckOptions<Probe> {
  /** The outputs of these rows as one batch, in order. The probes are of one padded length, as a batch's rows are. */
  readonly run: (rows: readonly Probe[]) => Promise<readonly Float32Array[]>;
  /** At least two. */
  readonly probes: readonly Probe[];
  /** What messages call the program. @default "the program" */
  readonly what?: string;
}

export interface RowCheckResult {
  readonly runs: number;
  readonly rows: number;
}

export async function selfCheckRows<Probe>({
  run,
  probes,
  what = "the program",
}: RowCheckOptions<Probe>): Promise<RowCheckResult> {
  if (probes.length < 2)
    throw new LockstepError("OPTION_INVALID", `a self-check needs at least two probe rows, not ${probes.length}`, {
      probes: probes.length,
    });
  let runs = 0;
  let rows = 0;
  const batch = async (indices: readonly number[]): Promise<Float32Array[]> => {
    runs++;
    rows += indices.length;
    const results = await run(indices.map((index) => probes[index] as Probe));
    if (results.length !== indices.length)
      throw untrusted(`gave ${results.length} rows for a batch of ${indices.length}`, { batch: indices.length });
    return results.map((result) => result.slice()); // the runner may use its buffer again
  };
  const untrusted = (message: string, details: Record<string, number>): LockstepError =>
    new LockstepError(
      "NUMERICS_UNTRUSTED",
      `${what} ${message}. It is not served: its answers would depend on the load. Try the other profile, or ` +
        "another build of the runtime",
      details,
    );

  const alone: Float32Array[] = [];
  for (let probe = 0; probe < probes.length; probe++) {
    const [result] = (await batch([probe])) as [Float32Array];
    const at = result.findIndex((value) => !Number.isFinite(value));
    if (at >= 0)
      throw untrusted(`gave ${result[at] ?? NaN} at element ${at} of probe ${probe}`, { probe, element: at });
    alone.push(result);
  }
  for (const indices of batches(probes.length)) {
    const together = await batch(indices);
    together.forEach((result, position) => {
      const probe = indices[position] as number;
      const at = firstDifference(alone[probe] as Float32Array, result);
      if (at >= 0) {
        throw untrusted(
          `gave other bits for probe ${probe} in a batch of ${indices.length} at position ${position} than ` +
            `alone: element ${at} is ${result[at] ?? NaN}, not ${alone[probe]?.[at] ?? NaN}`,
          { probe, batch: indices.length, position, element: at },
        );
      }
    });
  }
  return { runs, rows };
}

/** One row again, pairs, a batch one short, all of them in both orders, and all of them twice over. */
function batches(count: number): number[][] {
  const all = Array.from({ length: count }, (_, i) => i);
  const rotated = [...all.slice(1), ...all.slice(0, 1)];
  return [[0], [1, 0], all.slice(1), all.toReversed(), rotated, [...all, ...all]];
}

/** Of raw bits: −0 differs from 0. -1 where none. */
export function firstDifference(a: Float32Array, b: Float32Array): number {
  const left = new Uint32Array(a.buffer, a.byteOffset, a.length);
  const right = new Uint32Array(b.buffer, b.byteOffset, b.length);
  if (left.length !== right.length) return Math.min(left.length, right.length);
  return left.findIndex((bits, i) => bits !== right[i]);
}
