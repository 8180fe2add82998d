/** A text in pieces as its lines. CRLF, LF and CR end a line, mixed as they come. */
import { LockstepError } from "../../base/index.ts";

/** Lines with their numbers, from 1. @throws DATA_INVALID for one of more than `maxLine` characters */
export async function* numberedLines(
  chunks: AsyncIterable<string>,
  path: string,
  maxLine: number,
): AsyncGenerator<{ readonly text: string; readonly line: number }> {
  const splitter = new LineSplitter();
  let line = 0;
  for await (const chunk of chunks) {
    for (const text of splitter.add(chunk)) yield { text, line: ++line };
    if (splitter.rest.length > maxLine)
      throw new LockstepError(
        "DATA_INVALID",
        `line ${line + 1} of ${path} has more than ${maxLine} characters; give one row a line`,
        { path, line: line + 1 },
      );
  }
  if (splitter.rest !== "") yield { text: splitter.rest, line: line + 1 };
}

/** Holds the line that is not ended yet. */
export class LineSplitter {
  #rest = "";
  /** The piece before ended in CR, so an LF that begins the next one belongs to it. */
  #afterReturn = false;

  /** The lines that end within `piece`, without their ends. */
  add(piece: string): string[] {
    if (piece === "") return [];
    const lines = (this.#rest + (this.#afterReturn && piece.startsWith("\n") ? piece.slice(1) : piece)).split(
      /\r\n|\n|\r/,
    );
    this.#afterReturn = piece.endsWith("\r");
    this.#rest = lines.pop() ?? "";
    return lines;
  }

  /** What stands after the last end. */
  get rest(): string {
    return this.#rest;
  }
}
