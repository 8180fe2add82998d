/**
 * Open-loop load: questions leave at a fixed rate whether or not earlier ones have been answered. One process,
 * kept-alive connections.
 */
import { z } from "zod";

const answer = z.object({
  label: z.string().nullable(),
  probability: z.number(),
  abstained: z.boolean(),
  top: z.array(z.object({ label: z.string(), probability: z.number() })),
  version: z.string(),
  receipt: z.string().nullable(),
});
const response = z.object({ answers: z.array(answer).length(1) });

export interface Asked {
  readonly text: string;
  readonly milliseconds: number;
  readonly answer: z.output<typeof answer>;
}
export interface LoadReport {
  readonly answers: readonly Asked[];
  readonly errors: readonly string[];
}

export interface LoadOptions {
  readonly url: string;
  readonly perSecond: number;
  readonly seconds: number;
  readonly texts: readonly string[];
}

export async function openLoad({ url, perSecond, seconds, texts }: LoadOptions): Promise<LoadReport> {
  const answers: Asked[] = [];
  const errors: string[] = [];
  const ask = async (text: string): Promise<void> => {
    const started = performance.now();
    try {
      const reply = await fetch(`${url}/v1/classify`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ text }),
      });
      const body = await reply.text();
      if (!reply.ok) throw new Error(`${reply.status} ${body}`);
      answers.push({
        text,
        milliseconds: performance.now() - started,
        answer: response.parse(JSON.parse(body)).answers[0]!,
      });
    } catch (thrown) {
      errors.push(
        String(
          thrown instanceof Error && thrown.cause instanceof Error
            ? `${thrown.message}: ${thrown.cause.message}`
            : thrown,
        ),
      );
    }
  };
  const total = Math.round(perSecond * seconds);
  const started = performance.now();
  const asked: Promise<void>[] = [];
  while (asked.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * perSecond) + 1);
    while (asked.length < due) asked.push(ask(texts[asked.length % texts.length]!));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await Promise.all(asked);
  return { answers, errors };
}

/** Of sorted or unsorted values, 0 ≤ share ≤ 1. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
