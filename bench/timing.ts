/**
 * Clocks. What one thread does alone is measured by that thread's own processor time, which other processes on the machine
 * disturb far less than a clock on the wall; what several threads do together needs the wall. Comparisons are interleaved, round
 * by round, and the median of the rounds' ratios counts.
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

/** Seconds of thread time of each case in each round, one case after the other; the first round warms up and is left out. */
export async function interleave(rounds: number, cases: readonly (() => void | Promise<void>)[]): Promise<number[][]> {
  const seconds = cases.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, run] of cases.entries()) {
      const start = threadSeconds();
      await run();
      if (round > 0) seconds[index]!.push(threadSeconds() - start);
    }
  }
  return seconds;
}

/** The median over rounds of a[i] / b[i]. */
export function medianRatio(a: readonly number[], b: readonly number[]): number {
  return median(a.map((value, round) => value / b[round]!));
}
