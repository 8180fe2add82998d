/** Large programs of other people with much indexing, run for what they compute. */
import { parse } from "csv-parse/sync";
import fc from "fast-check";

export function compute(text: string): unknown {
  const samples = fc.sample(
    fc.array(fc.oneof(fc.string(), fc.integer(), fc.float32Array({ maxLength: 4 }), fc.emailAddress(), fc.ipV6())),
    { seed: 5, numRuns: 50 },
  );
  return { samples, rows: parse(text, { columns: true, relax_quotes: true }) as unknown };
}

/** Whether the libraries run transformed. */
export function transformed(): boolean {
  return parse.toString().includes("__lockstep_read(");
}
