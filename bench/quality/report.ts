/** Figures of both sides as a table in Markdown. */
import type { Outcome } from "./ours.ts";
import type { QualityTask } from "./tasks.ts";

/** Of one seed. */
export interface Both {
  readonly ours: Outcome;
  readonly twin: Outcome | undefined;
}

export interface Measured {
  readonly name: string;
  readonly task: QualityTask;
  readonly curve: Both;
  /** One a seed. */
  readonly tests: readonly Both[];
}

export function report(measured: readonly Measured[]): string {
  const header = ["task", "figure", "seeds", "Lockstep", "PyTorch", "difference", "bar", ""];
  const rows = measured.flatMap((one) => [...testRow(one), curveRow(one)]);
  return [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

function testRow({ name, task: { test }, tests }: Measured): readonly (readonly string[])[] {
  if (test === undefined || tests.length === 0) return [];
  const own = tests.map(({ ours }) => ours.figure!);
  const peers = tests.flatMap(({ twin }) => twin?.figure ?? []);
  const difference = peers.length === 0 ? undefined : mean(own) - mean(peers);
  const { bar } = test;
  const isMet =
    "min" in bar ? mean(own) >= bar.min : difference === undefined ? undefined : Math.abs(difference) <= bar.twin;
  return [
    [
      name,
      test.figure,
      String(tests.length),
      points(own),
      peers.length === 0 ? "" : points(peers),
      difference === undefined ? "" : `${difference < 0 ? "−" : "+"}${Math.abs(100 * difference).toFixed(2)}`,
      "min" in bar ? `at least ${(100 * bar.min).toFixed(1)}` : `within ${(100 * bar.twin).toFixed(1)} of PyTorch`,
      verdict(isMet),
    ],
  ];
}

function curveRow({ name, task, curve: { ours, twin } }: Measured): readonly string[] {
  const { steps, within } = task.curve;
  const difference = twin === undefined ? undefined : curveDifference(ours.losses, twin.losses);
  const last = (losses: readonly number[] | undefined): string => losses?.at(-1)?.toFixed(3) ?? "";
  return [
    name,
    `loss, first ${steps} steps`,
    "1",
    last(ours.losses),
    last(twin?.losses),
    difference === undefined ? "" : `${(100 * difference).toPrecision(2)} %`,
    `within ${100 * within} % at every tenth step`,
    verdict(difference === undefined ? undefined : difference <= within),
  ];
}

/** The largest at every tenth step, as a share of the second one. */
export function curveDifference(own: readonly number[], peer: readonly number[]): number {
  if (own.length !== peer.length) throw new Error(`curves of ${own.length} and ${peer.length} steps`);
  return own.reduce(
    (most, loss, step) => (step % 10 === 0 ? Math.max(most, Math.abs(loss - peer[step]!) / peer[step]!) : most),
    0,
  );
}

function verdict(isMet: boolean | undefined): string {
  return isMet === undefined ? "" : isMet ? "met" : "MISSED";
}

/** Mean, and the spread from the lowest to the highest where there are several. */
function points(shares: readonly number[]): string {
  const all = shares.map((share) => 100 * share).sort((a, b) => a - b);
  const range = all.length < 2 ? "" : ` (${all[0]!.toFixed(2)} to ${all.at(-1)!.toFixed(2)})`;
  return `${(100 * mean(shares)).toFixed(2)}${range}`;
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
}
