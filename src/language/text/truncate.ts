/** How many tokens of one text, or of two, fit under a limit: Hugging Face's `LongestFirst`, from the right. */

/** `room` is the limit without special tokens. Of two texts the longer gives way until both are equal, then both. */
export function fit(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  const shorter = Math.min(first, second);
  if (2 * shorter <= room) return first <= second ? [first, room - first] : [room - second, second];
  const half = Math.floor(room / 2);
  return first <= second ? [half, room - half] : [room - half, half];
}
