/**
 * Texts that end an answer, looked for in a text that comes in pieces. Nothing is given away that could be the
 * beginning of one. What is given does not depend on how the text was cut: the stop text that is complete first ends
 * it, of those that are complete at the same place the longest.
 */
export class StopTexts {
  readonly #stops: readonly string[];
  #held = "";

  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** What may be given now; `stopped`: the text that ended it, and nothing may be pushed any more. */
  push(text: string): { readonly text: string; readonly stopped: string | null } {
    const all = this.#held + text;
    let found: { readonly start: number; readonly stop: string } | null = null;
    for (const stop of this.#stops) {
      const start = all.indexOf(stop);
      if (start < 0) continue;
      const [end, best] = [start + stop.length, found === null ? Infinity : found.start + found.stop.length];
      if (end < best || (end === best && stop.length > found!.stop.length)) found = { start, stop };
    }
    if (found !== null) {
      this.#held = "";
      return { text: all.slice(0, found.start), stopped: found.stop };
    }
    const held = this.#beginning(all);
    this.#held = all.slice(all.length - held);
    return { text: all.slice(0, all.length - held), stopped: null };
  }

  /** What was held back, when no more comes. */
  end(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  /** Length of the longest end of `text` that a stop text begins with. */
  #beginning(text: string): number {
    let longest = 0;
    for (const stop of this.#stops)
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--)
        if (text.endsWith(stop.slice(0, length))) longest = length;
    return longest;
  }
}
