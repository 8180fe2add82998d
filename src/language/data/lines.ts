/** A text in pieces as its lines. CRLF, LF and CR end a line, mixed as they come. */

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
