/**
 * Texts on which an expression that backtracks without bound shows itself: long runs of one kind of character followed
 * by one that does not fit. Passing them proves nothing, so a tokenizer with expressions of its own stays under a time
 * limit for every text.
 */

const RUNS: readonly string[] = [
  "a",
  "A",
  "x",
  "0",
  "1",
  " ",
  "\t",
  "\n",
  ".",
  "-",
  "_",
  "'",
  "!",
  "é",
  "日",
  "😀",
  "ab",
  "aA",
  "a1",
  "a ",
  " a",
  ". ",
  "a'",
  "\r\n",
];
const ENDS: readonly string[] = ["", "!", "a", "\n", "\u0000", " "];
const LENGTHS: readonly number[] = [4, 32, 2048];

export function* probeTexts(): Generator<string> {
  for (const length of LENGTHS) {
    for (const run of RUNS) {
      for (const end of ENDS) yield run.repeat(length) + end;
    }
  }
}
