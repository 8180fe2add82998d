/** The name that was probably meant. */

/** The candidate closest to `wanted` whatever the case, where it is close enough to be a slip; else undefined. */
export function closest(wanted: string, candidates: readonly string[]): string | undefined {
  const best = candidates
    .map((name) => ({ name, distance: editDistance(name.toLowerCase(), wanted.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return best !== undefined && best.distance <= Math.max(2, wanted.length / 3) ? best.name : undefined;
}

/** Levenshtein, on at most 60 code units of each. */
function editDistance(first: string, second: string): number {
  const [a, b] = [first.slice(0, 60), second.slice(0, 60)];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
