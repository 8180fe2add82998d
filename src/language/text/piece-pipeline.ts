/**
 * Which files with a BPE or Unigram model run in our own code, and what their parts do to a piece of text. A file with
 * any other part goes to the reference library as a whole, or is refused by the part's name.
 */
import { Charsmap, precompiled } from "./charsmap.ts";
import { Bpe, type PieceModel } from "./bpe.ts";
import { Normalizer, Memo, type Step } from "./normalize.ts";
import { part, prepended, replaced, spacesReplaced, type Piece } from "./piece.ts";
import { booleanOf, NORMALIZERS, PRE_TOKENIZERS, uncoveredToken, walk, type Part, type Reader } from "./pipeline.ts";
import { GPT2_PATTERN, SCANNERS, type Scanner } from "./scanners.ts";
import { invalid, type TokenizerJson } from "./schema.ts";
import { ALL_PROCESSORS, uncoveredTemplate } from "./template.ts";
import { Unigram } from "./unigram.ts";
import { codesOf, isNumeric } from "./unicode.ts";
import { unitOf, type Split, type Unit } from "./words.ts";

/** Cuts a piece: calls `emit` with each part until it returns false; returns what the last call did. */
export type Cutter = (piece: Piece, emit: (piece: Piece) => boolean) => boolean;

export interface PiecePipeline {
  readonly normalize: (piece: Piece) => Piece;
  readonly cutters: readonly Cutter[];
  /** Whether a text may be cut before a space that follows an ASCII letter or digit, and gives the same tokens. */
  readonly breaksAtSpaces: boolean;
  makeModel(vocab: ReadonlyMap<string, number>): PieceModel;
}

export type PieceCoverage = { readonly covered: PiecePipeline } | { readonly uncovered: string };

/** One thing that a normalizer does to a piece: a mapping of characters, or a change that is not one. */
type Change = Step | ((piece: Piece) => Piece);

/** One thing that a pre-tokenizer does. */
interface PreTokenizer {
  readonly cut: Cutter | "bytes";
  readonly breaksAtSpaces: boolean;
}

const CHANGES: Readonly<Record<string, Reader<Change>>> = {
  ...NORMALIZERS,
  Prepend: (one, path) => {
    const codes = codesOf(textOf(one, "prepend", path));
    return [(piece) => prepended(piece, codes)];
  },
  Precompiled: (one, path) => [precompiled(new Charsmap(one["precompiled_charsmap"], path))],
  Replace: (one, path) => {
    const { pattern } = one as { pattern?: { String?: unknown; Regex?: unknown } };
    if (pattern?.Regex === SPACES_PATTERN) {
      const content = codesOf(textOf(one, "content", path));
      return [(piece) => spacesReplaced(piece, content)];
    }
    if (typeof pattern?.String !== "string" || pattern.String === "") return undefined;
    const [sought, content] = [codesOf(pattern.String), codesOf(textOf(one, "content", path))];
    return [(piece) => replaced(piece, sought, content)];
  },
};

/** Of the models of SentencePiece: runs of spaces become one. */
const SPACES_PATTERN = " {2,}";

const CUTTERS: Readonly<Record<string, Reader<PreTokenizer>>> = {
  ...Object.fromEntries(
    Object.entries(PRE_TOKENIZERS).map(([type, read]): [string, Reader<PreTokenizer>] => [
      type,
      (one, path) => {
        const splits = read(one, path);
        return splits && [{ cut: splitCutter(splits), breaksAtSpaces: splits.includes("drop-space") }];
      },
    ]),
  ),
  ByteLevel: (one, path) => [
    ...(booleanOf(one, "add_prefix_space", true, path) ? [{ cut: spaceBefore, breaksAtSpaces: false }] : []),
    ...(booleanOf(one, "use_regex", true, path) ? [scanning(SCANNERS.get(GPT2_PATTERN) as Scanner)] : []),
    { cut: "bytes", breaksAtSpaces: false },
  ],
  Digits: (one, path) => [{ cut: digits(booleanOf(one, "individual_digits", false, path)), breaksAtSpaces: false }],
  Metaspace: (one, path) => {
    const codes = codesOf(textOf(one, "replacement", path));
    const scheme = one["prepend_scheme"] ?? "always";
    const prefixes = one["add_prefix_space"] ?? scheme !== "never";
    if (codes.length !== 1 || (scheme !== "always" && scheme !== "first" && scheme !== "never"))
      throw invalid(`${path} (Metaspace) has no single "replacement", or an unknown "prepend_scheme"`);
    if (prefixes === false && scheme !== "never")
      throw invalid(`${path} (Metaspace) says "add_prefix_space" false and "prepend_scheme" ${JSON.stringify(scheme)}`);
    const splits = booleanOf(one, "split", true, path);
    return [{ cut: metaspace(codes[0] as number, scheme, splits), breaksAtSpaces: splits }];
  },
  Split: (one) => {
    const { pattern, behavior, invert } = one as {
      pattern?: { Regex?: unknown };
      behavior?: unknown;
      invert?: unknown;
    };
    const scanner = typeof pattern?.Regex === "string" ? SCANNERS.get(pattern.Regex) : undefined;
    // The scanners leave nothing between their words, so what is done with that does not matter.
    const keeps = behavior === "Isolated" || (behavior === "Removed" && invert === true);
    return scanner === undefined || !keeps ? undefined : [scanning(scanner)];
  },
};

export function pieceCoverageOf(json: TokenizerJson): PieceCoverage {
  const { model } = json;
  const changes: Change[] = [];
  const found: PreTokenizer[] = [];
  const makeModel = MODELS[modelType(json)];
  const uncovered =
    walk(json.normalizer, "normalizer", "normalizers", CHANGES, changes) ??
    walk(json.pre_tokenizer, "pre_tokenizer", "pretokenizers", CUTTERS, found) ??
    (makeModel === undefined ? `model (${model.type ?? "without a type"})` : undefined) ??
    uncoveredTemplate(json.post_processor, ALL_PROCESSORS) ??
    uncoveredToken(json.added_tokens);
  if (uncovered !== undefined || makeModel === undefined) return { uncovered: uncovered ?? "model" };
  const bytes = found.findIndex(({ cut }) => cut === "bytes");
  if (bytes >= 0 && bytes < found.length - 1) return { uncovered: "pre_tokenizer (ByteLevel before another)" };
  return {
    covered: {
      normalize: normalizerOf(changes),
      cutters: found.flatMap(({ cut }) => (cut === "bytes" ? [] : [cut])),
      breaksAtSpaces: changes.every((change) => typeof change === "string") && found.some((one) => one.breaksAtSpaces),
      makeModel: (vocab) => makeModel(model, vocab, bytes >= 0),
    },
  };
}

const MODELS: Readonly<
  Record<string, (model: TokenizerJson["model"], vocab: ReadonlyMap<string, number>, overBytes: boolean) => PieceModel>
> = {
  BPE: (model, vocab, overBytes) => new Bpe(model, vocab, overBytes),
  Unigram: (model, vocab, overBytes) => {
    if (overBytes) throw invalid("it has a Unigram model over bytes (ByteLevel), which no published tokenizer has");
    return new Unigram(model, vocab);
  },
};

/** Old files leave `model.type` out; BPE is then known by its merges. */
const modelType = ({ model }: TokenizerJson): string =>
  model.type ?? ("merges" in model ? "BPE" : Array.isArray(model.vocab) ? "Unigram" : "");

/** Mappings of characters that follow each other are one walk over the text. */
function normalizerOf(changes: readonly Change[]): (piece: Piece) => Piece {
  const walks: ((piece: Piece) => Piece)[] = [];
  let steps: Step[] = [];
  const close = (): void => {
    if (steps.length > 0) walks.push(mapping(new Normalizer(steps)));
    steps = [];
  };
  for (const change of changes) {
    if (typeof change === "string") steps.push(change);
    else {
      close();
      walks.push(change);
    }
  }
  close();
  return (piece) => walks.reduce((so, walk) => walk(so), piece);
}

function mapping(normalizer: Normalizer): (piece: Piece) => Piece {
  return (piece) => {
    const [codes, starts, ends]: [number[], number[], number[]] = [[], [], []];
    const stage = normalizer.stage((code, start, end) => {
      codes.push(code);
      starts.push(start);
      ends.push(end);
    });
    for (let i = piece.from; i < piece.to; i++)
      stage.push(piece.codes[i] as number, piece.starts[i] as number, piece.ends[i] as number);
    stage.flush();
    return { codes, starts, ends, from: 0, to: codes.length, origin: piece.origin };
  };
}

const scanning = (scan: Scanner): PreTokenizer => ({
  cut: (piece, emit) => {
    for (let at = piece.from; at < piece.to;) {
      const end = scan(piece.codes, at, piece.to);
      if (!emit(part(piece, at, end))) return false;
      at = end;
    }
    return true;
  },
  breaksAtSpaces: true,
});

const spaceBefore: Cutter = (piece, emit) => emit(piece.codes[piece.from] === 0x20 ? piece : prepended(piece, [0x20]));

/** Digits apart from all else, each by itself or in runs. */
function digits(each: boolean): Cutter {
  return (piece, emit) => {
    let from = piece.from;
    for (let at = piece.from + 1; at <= piece.to; at++) {
      const before = isNumeric(piece.codes[at - 1] as number);
      const here = at < piece.to && isNumeric(piece.codes[at] as number);
      if (at < piece.to && before === here && !(each && here)) continue;
      if (!emit(part(piece, from, at))) return false;
      from = at;
    }
    return true;
  };
}

function metaspace(replacement: number, scheme: "always" | "first" | "never", splits: boolean): Cutter {
  return (piece, emit) => {
    let marked = replaced(piece, [0x20], [replacement]);
    const prefixed = scheme === "always" || (scheme === "first" && piece.origin === 0);
    if (prefixed && marked.codes[marked.from] !== replacement) marked = prepended(marked, [replacement]);
    if (!splits) return marked.from === marked.to || emit(marked);
    let from = marked.from;
    for (let at = marked.from + 1; at <= marked.to; at++) {
      if (at < marked.to && marked.codes[at] !== replacement) continue;
      if (!emit(part(marked, from, at))) return false;
      from = at;
    }
    return true;
  };
}

/** The pre-tokenizers that look at single characters. */
function splitCutter(splits: readonly Split[]): Cutter {
  const units = new Memo<Unit>((code) => unitOf(code, splits));
  return (piece, emit) => {
    let from = piece.from;
    let open = false;
    let run = 0;
    for (let at = piece.from; at < piece.to; at++) {
      const unit = units.get(piece.codes[at] as number);
      if (open && (unit.gap || unit.alone || unit.run !== run)) {
        if (!emit(part(piece, from, at))) return false;
        open = false;
      }
      if (unit.gap) continue;
      if (!open) from = at;
      [open, run] = [true, unit.run];
      if (unit.alone) {
        if (!emit(part(piece, at, at + 1))) return false;
        open = false;
      }
    }
    return !open || emit(part(piece, from, piece.to));
  };
}

function textOf(one: Part, name: string, path: string): string {
  const value = one[name];
  if (typeof value !== "string" || value.length > 64) throw invalid(`${path}.${name} is not a short string`);
  return value;
}
