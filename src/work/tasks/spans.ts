/**
 * From labelled tokens to spans of a text. Three steps:
 * 1. Tokens make words: a token belongs to the word of the one before it when it begins where that one ended, and both
 *    characters at that place are letters, digits, marks or underscores. So "Smith," is two words.
 * 2. A word has the label of its first token (as a model is trained whose other tokens have none).
 * 3. Words make spans by the prefixes of IOB2: B- begins a span, I- goes on with one of the same kind. An I- after
 *    something else begins a span too (this is the repair, as conlleval does it); without prefixes, neighbours of one
 *    label are one span. O, and whatever the version calls outside, is in no span.
 */

/** A word with the label that it was given. */
export interface LabelledWord {
  /** UTF-16 code units of the text: from, to (exclusive). */
  readonly start: number;
  readonly end: number;
  readonly label: string;
  readonly probability: number;
}

export interface Span {
  /** Without its prefix. */
  readonly label: string;
  /** `text.slice(start, end)`, which is UTF-16 code units. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** Mean over the span's words, of the labels that they were given. */
  readonly probability: number;
}

const OUTSIDE = "O";
const PREFIXED = /^([BI])-(.+)$/;
/** What goes on with a word. */
const INSIDE_WORD = /^[\p{L}\p{N}\p{M}_]$/u;

/**
 * The first token of each word, by its place. `offsets` [2n]: where each token comes from, both ends the same for
 * special tokens, which are in no word.
 */
export function firstTokens(
  text: string,
  offsets: Int32Array,
): readonly { token: number; start: number; end: number }[] {
  const words: { token: number; start: number; end: number }[] = [];
  for (let token = 0; 2 * token < offsets.length; token++) {
    const [start, end] = [offsets[2 * token]!, offsets[2 * token + 1]!];
    if (end <= start) continue;
    const word = words.at(-1);
    if (word !== undefined && start <= word.end && goesOn(text, start)) word.end = Math.max(word.end, end);
    else words.push({ token, start, end });
  }
  return words;
}

/** Whether the characters on both sides of `at` are of one word. */
function goesOn(text: string, at: number): boolean {
  const before = LAST_CHARACTER.exec(text.slice(Math.max(0, at - 2), at))?.[0];
  const after = text.codePointAt(at);
  if (before === undefined || after === undefined) return false;
  return INSIDE_WORD.test(before) && INSIDE_WORD.test(String.fromCodePoint(after));
}
const LAST_CHARACTER = /.$/su;

export function spansOf(text: string, words: readonly LabelledWord[]): readonly Span[] {
  const spans: { label: string; start: number; end: number; sum: number; words: number }[] = [];
  let open: string | undefined;
  for (const { start, end, label, probability } of words) {
    if (label === OUTSIDE) {
      open = undefined;
      continue;
    }
    const [, prefix = "I", kind = label] = PREFIXED.exec(label) ?? [];
    const last = spans.at(-1);
    if (prefix === "I" && open === kind && last !== undefined) {
      last.end = end;
      last.sum += probability;
      last.words++;
    } else spans.push({ label: kind, start, end, sum: probability, words: 1 });
    open = kind;
  }
  return spans.map(({ label, start, end, sum, words: count }) => ({
    label,
    start,
    end,
    text: text.slice(start, end),
    probability: sum / count,
  }));
}
