/**
 * A piece of a text on its way to a model that cuts pieces (BPE, Unigram): code points, and of each where its source
 * starts and ends in the text. Views share their arrays, so cutting costs nothing.
 */
export interface Piece {
  readonly codes: readonly number[];
  /** Code units of the text, by code point. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** The part of the arrays that is meant. */
  readonly from: number;
  readonly to: number;
  /** Where the piece's source begins in the text. */
  readonly origin: number;
}

/** Text between `from` and `to` as it is. */
export function pieceOf(text: string, from: number, to: number): Piece {
  const [codes, starts, ends]: [number[], number[], number[]] = [[], [], []];
  for (let at = from; at < to;) {
    const code = text.codePointAt(at) as number;
    const end = at + (code > 0xffff ? 2 : 1);
    codes.push(code);
    starts.push(at);
    ends.push(end);
    at = end;
  }
  return { codes, starts, ends, from: 0, to: codes.length, origin: from };
}

export const part = (piece: Piece, from: number, to: number): Piece => ({
  ...piece,
  from,
  to,
  // Marks may have changed places, so the first character need not be the first one's.
  origin: from === piece.from ? piece.origin : (piece.starts[from] ?? piece.origin),
});

/** With more before it, which has the first character's source. A piece of nothing stays so. */
export function prepended(piece: Piece, codes: readonly number[]): Piece {
  if (piece.from === piece.to) return piece;
  const { from, to } = piece;
  const [start, end] = [piece.starts[from] as number, piece.ends[from] as number];
  return {
    codes: [...codes, ...piece.codes.slice(from, to)],
    starts: [...codes.map(() => start), ...piece.starts.slice(from, to)],
    ends: [...codes.map(() => end), ...piece.ends.slice(from, to)],
    from: 0,
    to: codes.length + to - from,
    origin: piece.origin,
  };
}

/** Each occurrence of some code points becomes others, whose source is the last one's. Occurrences do not overlap. */
export function replaced(piece: Piece, sought: readonly number[], content: readonly number[]): Piece {
  const { codes, to } = piece;
  return replacedRuns(piece, content, (at) =>
    at + sought.length <= to && sought.every((code, i) => codes[at + i] === code) ? sought.length : 0,
  );
}

/** The same for each run of two spaces or more. */
export function spacesReplaced(piece: Piece, content: readonly number[]): Piece {
  return replacedRuns(piece, content, (at) => {
    let end = at;
    while (end < piece.to && piece.codes[end] === 0x20) end++;
    return end - at > 1 ? end - at : 0;
  });
}

/** `found`: how many code points from a place on are replaced. */
function replacedRuns(piece: Piece, content: readonly number[], found: (at: number) => number): Piece {
  const [codes, starts, ends]: [number[], number[], number[]] = [[], [], []];
  const push = (code: number, source: number): void => {
    codes.push(code);
    starts.push(piece.starts[source] as number);
    ends.push(piece.ends[source] as number);
  };
  for (let at = piece.from; at < piece.to;) {
    const length = found(at);
    if (length > 0) {
      at += length;
      for (const code of content) push(code, at - 1);
    } else {
      push(piece.codes[at] as number, at);
      at++;
    }
  }
  return { codes, starts, ends, from: 0, to: codes.length, origin: piece.origin };
}

export function textOfPiece({ codes, from, to }: Piece): string {
  let text = "";
  for (let i = from; i < to; i++) text += String.fromCodePoint(codes[i] as number);
  return text;
}
