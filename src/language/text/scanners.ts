/**
 * The regular expressions of GPT-2, Llama 3 and Qwen2 that cut a text into words, as scanners: each looks at a
 * character at most three times, whatever the text. An expression that is not letter for letter one of them has no
 * scanner. Alternatives are tried in the expression's order; what `\p{L}`, `\p{N}` and `\s` mean is the reference's
 * (unicode-tables.ts). tests/text/scanners.test.ts holds them against the library.
 */
import { Memo } from "./normalize.ts";
import { isLetter, isNumber, isSpace } from "./unicode.ts";

export const GPT2_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
export const LLAMA3_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" +
  "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
export const QWEN2_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|" +
  "\\s+(?!\\S)|\\s+";

/** Where the word ends that begins at `from`; `to` is the end of the text. Places are code points; from < to. */
export type Scanner = (codes: readonly number[], from: number, to: number) => number;

export const SCANNERS: ReadonlyMap<string, Scanner> = new Map<string, Scanner>([
  [GPT2_PATTERN, gpt2],
  [LLAMA3_PATTERN, later(3)],
  [QWEN2_PATTERN, later(1)],
]);

type Kind = "letter" | "number" | "space" | "other";
const kinds = new Memo<Kind>((code) =>
  isLetter(code) ? "letter" : isNumber(code) ? "number" : isSpace(code) ? "space" : "other",
);

const SPACE = 0x20;
const isBreak = (code: number | undefined): boolean => code === 0x0a || code === 0x0d;

/** The end of the run of one kind from `at` on. */
function runOf(kind: Kind, codes: readonly number[], at: number, to: number): number {
  while (at < to && kinds.get(codes[at] as number) === kind) at++;
  return at;
}

function gpt2(codes: readonly number[], from: number, to: number): number {
  const contracted = contraction(codes, from, to, (code) => code);
  if (contracted > from) return contracted;
  const at = codes[from] === SPACE && from + 1 < to ? from + 1 : from;
  const kind = kinds.get(codes[at] as number);
  return kind === "space" ? spaces(codes, from, to) : runOf(kind, codes, at, to);
}

function later(digits: number): Scanner {
  return (codes, from, to) => {
    const contracted = contraction(codes, from, to, lowered);
    if (contracted > from) return contracted;
    const first = codes[from] as number;
    const kind = kinds.get(first);
    const next = from + 1 < to ? kinds.get(codes[from + 1] as number) : undefined;
    if (kind === "letter") return runOf("letter", codes, from, to);
    if (kind === "number") return Math.min(runOf("number", codes, from, Math.min(to, from + digits)), to);
    if (next === "letter" && !isBreak(first)) return runOf("letter", codes, from + 1, to);
    const symbols = first === SPACE && next === "other" ? from + 1 : from;
    if (kinds.get(codes[symbols] as number) === "other") {
      let end = runOf("other", codes, symbols, to);
      while (end < to && isBreak(codes[end])) end++;
      return end;
    }
    // Up to the last line break of the white space, where there is one.
    for (let end = runOf("space", codes, from, to); end > from; end--) if (isBreak(codes[end - 1])) return end;
    return spaces(codes, from, to);
  };
}

/** White space without the last one, which goes to the word after it; that one alone, or all of it at the end. */
function spaces(codes: readonly number[], from: number, to: number): number {
  const end = runOf("space", codes, from, to);
  return end === to || end === from + 1 ? end : end - 1;
}

const S = 0x73;
/** Of those that matter here: ASCII, and the long s. */
const lowered = (code: number): number => (code >= 0x41 && code <= 0x5a ? code + 32 : code === 0x17f ? S : code);

const ONE = new Set(Array.from("stmd", (letter) => letter.charCodeAt(0)));
const TWO: readonly string[] = ["re", "ve", "ll"];

function contraction(codes: readonly number[], from: number, to: number, lower: (code: number) => number): number {
  if (codes[from] !== 0x27 || from + 1 >= to) return from;
  const first = lower(codes[from + 1] as number);
  if (ONE.has(first)) return from + 2;
  if (from + 2 >= to) return from;
  const second = lower(codes[from + 2] as number);
  return TWO.some((ending) => ending.charCodeAt(0) === first && ending.charCodeAt(1) === second) ? from + 3 : from;
}
