/** What a benchmark says: figures with their units, bars that they should meet, and why one was left out. */

export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** What the figure should be: at least (`min`) or at most (`max`) this. Absent: for information. */
  readonly bar?: { readonly min: number } | { readonly max: number };
}

export interface Result {
  readonly name: string;
  readonly figures: readonly Figure[];
  /** How it was measured, in a line. */
  readonly note: string;
  /** Why nothing, or not all, was measured. */
  readonly skipped?: string;
}

export interface BenchOptions {
  /** Layers of the BERT-base shape. */
  readonly layers: number;
  /** Rounds of every interleaved comparison. */
  readonly rounds: number;
  /** Threads of each side in the comparison with PyTorch. */
  readonly threads: number;
  /** Folder of all-MiniLM-L6-v2 in the Hugging Face layout. */
  readonly minilm: string;
  /** Python that has torch. */
  readonly python: string;
  /** Says on standard error what is going on. */
  readonly progress: (text: string) => void;
}

export type Benchmark = (options: BenchOptions) => Promise<Result>;

export function meets({ value, bar }: Figure): boolean | undefined {
  if (bar === undefined) return undefined;
  return "min" in bar ? value >= bar.min : value <= bar.max;
}

export function table(results: readonly Result[]): string {
  const lines = results.flatMap(({ name, figures, note, skipped }) => {
    const rows = figures.map((figure) => {
      const { what, value, unit, bar } = figure;
      const wanted = bar === undefined ? "" : "min" in bar ? `at least ${bar.min}` : `at most ${bar.max}`;
      return [
        what,
        `${digits(value)} ${unit}`.trim(),
        wanted,
        { true: "met", false: "MISSED", undefined: "" }[String(meets(figure)) as "true"],
      ];
    });
    const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
    const body = rows.map(
      (row) =>
        `  ${row
          .map((cell, column) => (column === 1 ? cell.padStart(widths[1]!) : cell.padEnd(widths[column]!)))
          .join("  ")
          .trimEnd()}`,
    );
    return ["", name, `  ${note}`, ...body, ...(skipped === undefined ? [] : [`  skipped: ${skipped}`])];
  });
  return `${lines.slice(1).join("\n")}\n`;
}

function digits(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(value >= 1 ? 2 : 3);
}
