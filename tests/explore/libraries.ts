/** Large programs of other people with much indexing, run for what they compute. */
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { z } from "zod";

export function compute(text: string): unknown {
  const samples = fc.sample(fc.array(fc.oneof(fc.string(), fc.integer(), fc.float32Array({ maxLength: 4 }), fc.emailAddress(), fc.ipV6())), { seed: 5, numRuns: 50 });
  const schema = z.object({ a: z.array(z.number()), b: z.string().min(2), c: z.record(z.string(), z.tuple([z.number(), z.boolean()])).optional() });
  const given = [{ a: [1, 2], b: "xy", c: { k: [1, true] } }, { a: ["1"], b: "x", c: { k: [1] } }, JSON.parse("[1]")];
  return { samples, parsed: given.map((value) => JSON.stringify(schema.safeParse(value))), rows: parse(text, { columns: true, relax_quotes: true }) as unknown };
}

/** Whether the libraries run transformed. */
export function transformed(): boolean {
  return parse.toString().includes("__lockstep_read(");
}
