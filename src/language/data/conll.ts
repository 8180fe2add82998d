/**
 * Sentences of a CoNLL text: one word a line, its columns apart by tabs or spaces, the word first and its tag last; an
 * empty line ends a sentence. Format: the shared task of CoNLL-2003 (Tjong Kim Sang and De Meulder), whose
 * `-DOCSTART-` lines are passed over.
 */
import { LockstepError } from "../../base/index.ts";
import { numberedLines } from "./lines.ts";

export interface ConllSentence {
  readonly words: readonly string[];
  /** As many as words. */
  readonly tags: readonly string[];
  /** The line of its last word. */
  readonly line: number;
}

/** @throws DATA_INVALID with the line that has no tag */
export async function* conllSentences(
  chunks: AsyncIterable<string>,
  path: string,
  maxLine: number,
): AsyncGenerator<ConllSentence> {
  let words: string[] = [];
  let tags: string[] = [];
  let last = 0;
  for await (const { text, line } of numberedLines(chunks, path, maxLine)) {
    if (text.trim() === "") {
      if (words.length > 0) yield { words, tags, line: last };
      words = [];
      tags = [];
      continue;
    }
    const columns = text.includes("\t") ? text.split("\t").map((cell) => cell.trim()) : text.trim().split(/ +/);
    const word = columns[0] ?? "";
    const tag = columns.at(-1) ?? "";
    if (word === "-DOCSTART-") continue;
    if (columns.length < 2 || word === "" || tag === "")
      throw new LockstepError(
        "DATA_INVALID",
        `line ${line} of ${path} has no word and tag; give a word, a tab and its tag a line, and an empty line after ` +
          "each sentence",
        { path, line },
      );
    words.push(word);
    tags.push(tag);
    last = line;
  }
  if (words.length > 0) yield { words, tags, line: last };
}
