/**
 * Clocks. What one thread does alone is measured by that thread's own processor time, which other processes on the
 * machine disturb far less than a clock on the wall; what several threads do together needs the wall. Comparisons are
 * interleaved, round by round, and the median of the rounds' ratios counts.
 */

/** Seconds of processor time that this thread has used. */
export function threadSeconds(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e6;
}

/** Seconds of processor time that all threads of this process have used. */
export function processSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The kernel accounts thread time in ticks of milliseconds: shorter measurements are off by tenths. */
const WINDOW_SECONDS = 0.15;

/**
 * Seconds of thread time that one run of each case takes, round by round, one case after the other. A first run of each
 * warms up.
 */
export async function interleave(rounds: number, cases: readonly (() => void | Promise<void>)[]): Promise<number[][]> {
  const repeats: number[] = [];
  for (const run of cases) {
    await run();
    const start = performance.now();
    await run();
    repeats.push(Math.max(1, Math.ceil((WINDOW_SECONDS * 1000) / (performance.now() - start))));
  }
  const seconds = cases.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, run] of cases.entries()) {
      const start = threadSeconds();
      for (let repeat = 0; repeat < repeats[index]!; repeat++) await run();
      seconds[index]!.push((threadSeconds() - start) / repeats[index]!);
    }
  }
  return seconds;
}

/** The median over rounds of a[i] / b[i]. */
export function medianRatio(a: readonly number[], b: readonly number[]): number {
  return median(a.map((value, round) => value / b[round]!));
}
