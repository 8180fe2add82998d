/**
 * Symbolic dimensions: polynomials of named symbols with non-negative integer coefficients, kept as canonical strings,
 * so that two equal dimensions are equal values. A product has its factor first unless that is 1, and its symbols
 * sorted (`"2*B*T"`); a sum (of what came before and what is new) has its products in a fixed order, a number last
 * (`"P+T"`, `"B*P+B*T+1"`); without symbols a dimension is a plain number. There are no parentheses: products are
 * multiplied out, which is what makes the form unique.
 */
import { LockstepError } from "../../base/index.ts";
import type { Dim, Shape } from "./types.ts";

interface Monomial {
  /** Positive. */
  readonly factor: number;
  /** Sorted, one for each power. */
  readonly symbols: readonly string[];
}
/** In the order of `compare`, no two with the same symbols; zero has no terms. */
type Polynomial = readonly Monomial[];
/** What each symbol stands for in one run. */
export type SymbolBindings = Readonly<Record<string, number>>;

const SYMBOL = /^[A-Za-z_][A-Za-z0-9_]*$/;
const FACTOR = /^[0-9]+$/;

function dimError(message: string, details: Record<string, string | number> = {}): LockstepError {
  return new LockstepError("GRAPH_INVALID", message, details);
}

function parse(dim: Dim): Polynomial {
  if (typeof dim === "number") return collect([{ factor: checkedFactor(dim), symbols: [] }]);
  return collect(dim.split("+").map((term) => parseProduct(term, dim)));
}

function parseProduct(term: string, dim: string): Monomial {
  let factor = 1;
  const symbols: string[] = [];
  for (const part of term.split("*").map((text) => text.trim())) {
    if (SYMBOL.test(part)) symbols.push(part);
    else if (FACTOR.test(part)) factor = checkedFactor(factor * Number(part));
    else
      throw dimError(
        `a dimension is an integer, a product such as "2*B*T" or a sum such as "P+T", not ${JSON.stringify(dim)}`,
        { dim },
      );
  }
  return { factor, symbols: symbols.sort() };
}

function checkedFactor(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw dimError(`a dimension is a non-negative integer below 2^53, not ${value}`, { dim: value });
  return value;
}

/**
 * Lexicographic order of monomials, the larger first: it is kept by multiplication, which division relies on. One that
 * only has more symbols is larger, so a number is last.
 */
function compare({ symbols: a }: Monomial, { symbols: b }: Monomial): number {
  for (let i = 0; i < a.length || i < b.length; i++) {
    const [left, right] = [a[i], b[i]];
    if (left === right) continue;
    if (left === undefined || right === undefined) return left === undefined ? 1 : -1;
    return left < right ? -1 : 1;
  }
  return 0;
}

/** Terms in order, those with equal symbols added up. */
function collect(terms: readonly Monomial[]): Polynomial {
  if (terms.length === 1) return terms[0]?.factor === 0 ? [] : terms;
  const sorted = terms.filter(({ factor }) => factor !== 0).sort(compare);
  return sorted.reduce<Monomial[]>((sum, term) => {
    const last = sum.at(-1);
    if (last === undefined || compare(last, term) !== 0) sum.push(term);
    else sum[sum.length - 1] = { factor: checkedFactor(last.factor + term.factor), symbols: last.symbols };
    return sum;
  }, []);
}

function product(a: Polynomial, b: Polynomial): Polynomial {
  return collect(
    a.flatMap((left) =>
      b.map((right) => ({
        factor: checkedFactor(left.factor * right.factor),
        symbols: [...left.symbols, ...right.symbols].sort(),
      })),
    ),
  );
}

/** a − b where no coefficient falls below zero, else undefined. */
function subtract(a: Polynomial, b: Polynomial): Polynomial | undefined {
  const rest: Monomial[] = [];
  const open = [...b];
  for (const term of a) {
    const [next] = open;
    const taken = next !== undefined && compare(next, term) === 0 ? next.factor : 0;
    if (taken > 0) open.shift();
    if (taken > term.factor) return undefined;
    if (taken < term.factor) rest.push({ factor: term.factor - taken, symbols: term.symbols });
  }
  return open.length === 0 ? rest : undefined;
}

/** a / b of two terms where it is one, else undefined. */
function quotientOf(a: Monomial, b: Monomial): Monomial | undefined {
  const rest = [...a.symbols];
  for (const symbol of b.symbols) {
    const at = rest.indexOf(symbol);
    if (at < 0) return undefined;
    rest.splice(at, 1);
  }
  return a.factor % b.factor === 0 ? { factor: a.factor / b.factor, symbols: rest } : undefined;
}

function format(polynomial: Polynomial): Dim {
  if (polynomial.every(({ symbols }) => symbols.length === 0)) return polynomial[0]?.factor ?? 0;
  return polynomial
    .map(({ factor, symbols }) => (factor === 1 && symbols.length > 0 ? symbols : [factor, ...symbols]).join("*"))
    .join("+");
}

/** The canonical form of a dimension; equal dimensions have equal (`===`) canonical forms. */
export function canonicalDim(dim: Dim): Dim {
  // nearly all are so simple
  if (typeof dim === "number" ? Number.isSafeInteger(dim) && dim >= 0 : SYMBOL.test(dim)) return dim;
  return format(parse(dim));
}

export function canonicalShape(shape: Shape): Shape {
  return shape.map(canonicalDim);
}

export function dimsEqual(a: Dim, b: Dim): boolean {
  return a === b || canonicalDim(a) === canonicalDim(b);
}

export function shapesEqual(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dimsEqual(dim, b[axis] ?? 0));
}

/** The product; of no dimensions it is 1. */
export function mulDims(...dims: readonly Dim[]): Dim {
  return format(dims.map(parse).reduce(product, [{ factor: 1, symbols: [] }]));
}

/** The sum; of no dimensions it is 0. */
export function addDims(...dims: readonly Dim[]): Dim {
  return format(collect(dims.flatMap(parse)));
}

/** a − b where no term of it falls below zero, so that it is a dimension whatever the symbols are; else undefined. */
export function subDims(a: Dim, b: Dim): Dim | undefined {
  const difference = subtract(parse(a), parse(b));
  return difference === undefined ? undefined : format(difference);
}

/** a / b where it is a dimension for every value of the symbols; otherwise GRAPH_INVALID. */
export function divDims(a: Dim, b: Dim): Dim {
  const divisor = parse(b);
  const [leading] = divisor;
  const quotient: Monomial[] = [];
  // Long division: the largest term of what is left can only come from the divisor's largest. Where the quotient has no
  // coefficient below zero, no remainder has one either.
  let rest: Polynomial | undefined = leading === undefined ? undefined : parse(a);
  while (rest !== undefined && rest.length > 0) {
    const term = quotientOf(rest[0] as Monomial, leading as Monomial);
    if (term !== undefined) quotient.push(term);
    rest = term === undefined ? undefined : subtract(rest, product(divisor, [term]));
  }
  if (rest === undefined) throw dimError(`dimension ${a} is not divisible by ${b}`, { dividend: a, divisor: b });
  return format(collect(quotient));
}

/** The symbols of a dimension, sorted, each as often as its highest power. */
export function symbolsOf(dim: Dim): readonly string[] {
  if (typeof dim === "number") return [];
  const powers = new Map<string, number>();
  for (const { symbols } of parse(dim))
    for (const symbol of symbols) powers.set(symbol, Math.max(powers.get(symbol) ?? 0, power(symbols, symbol)));
  return [...powers].flatMap(([symbol, count]) => new Array<string>(count).fill(symbol)).sort();
}

function power(symbols: readonly string[], symbol: string): number {
  return symbols.filter((one) => one === symbol).length;
}

/** The integer that a dimension is under these bindings. */
export function evalDim(dim: Dim, bindings: SymbolBindings): number {
  if (typeof dim === "number") return checkedFactor(dim);
  if (Object.hasOwn(bindings, dim)) return checkedFactor(bindings[dim] as number); // nearly all are one symbol
  const valueOf = (symbol: string): number => {
    const value = Object.hasOwn(bindings, symbol) ? bindings[symbol] : undefined;
    if (value === undefined)
      throw dimError(
        `symbol ${symbol} of dimension ${dim} has no value; known: ${Object.keys(bindings).join(", ") || "none"}`,
        { dim, symbol },
      );
    return value;
  };
  return parse(dim).reduce((sum, term) => checkedFactor(sum + evalTerm(term, valueOf)), 0);
}

function evalTerm({ factor, symbols }: Monomial, valueOf: (symbol: string) => number): number {
  return symbols.reduce((value, symbol) => checkedFactor(value * valueOf(symbol)), factor);
}

export function evalShape(shape: Shape, bindings: SymbolBindings): number[] {
  return shape.map((dim) => evalDim(dim, bindings));
}

/**
 * Adds to `bindings` what an actual shape says about the symbols of a declared one. A dimension with one unbound symbol
 * (to the first power) decides it, in a sum too: `"P+T"` gives P where T is known. Others must agree with what is
 * known. INPUT_INVALID when they do not. Returns the axes that could not be decided yet because they have several
 * unbound symbols, or one in a higher power.
 */
export function bindSymbols(
  shape: Shape,
  actual: readonly number[],
  bindings: Record<string, number>,
  what = "value",
): readonly number[] {
  const mismatch = (): LockstepError =>
    new LockstepError(
      "INPUT_INVALID",
      `${what} has shape [${actual.join(", ")}], but [${shape.join(", ")}] is declared` +
        (Object.keys(bindings).length > 0 ? ` with ${describe(bindings)}` : ""),
      { what, declared: shape, actual },
    );
  if (shape.length !== actual.length) throw mismatch();
  let open = shape.map((_, axis) => axis);
  for (let before = -1; open.length !== before;) {
    before = open.length;
    open = open.filter((axis) => {
      const dim = shape[axis] ?? 0;
      const size = actual[axis] ?? -1;
      if (typeof dim === "number" || Object.hasOwn(bindings, dim)) {
        if (evalDim(dim, bindings) !== size) throw mismatch(); // without parsing
        return false;
      }
      const unbound = symbolsOf(dim).filter((symbol) => !Object.hasOwn(bindings, symbol));
      if (unbound.length > 1) return true;
      const [symbol] = unbound;
      // linear in the open symbol: size = slope · symbol + rest
      const rest = valueWith(dim, bindings, 0);
      const slope = valueWith(dim, bindings, 1) - rest;
      if (symbol === undefined) {
        if (rest !== size) throw mismatch();
      } else {
        if (slope === 0 || size < rest || (size - rest) % slope !== 0) throw mismatch();
        bindings[symbol] = (size - rest) / slope;
      }
      return false;
    });
  }
  return open;
}

/** Binds all symbols of several shapes, each helping the others; INPUT_INVALID when they disagree or leave one open. */
export function bindShapes(
  shapes: readonly { readonly what: string; readonly shape: Shape; readonly actual: readonly number[] }[],
): SymbolBindings {
  const bindings: Record<string, number> = {};
  let open = [...shapes];
  for (let before = -1; open.length > 0 && open.length !== before;) {
    before = open.length;
    open = open.filter(({ what, shape, actual }) => bindSymbols(shape, actual, bindings, what).length > 0);
  }
  const [first] = open;
  if (first !== undefined) {
    throw new LockstepError(
      "INPUT_INVALID",
      `the symbols of [${first.shape.join(", ")}] (${first.what}) cannot be told apart; let each stand alone ` +
        "in some input's shape",
      { what: first.what, declared: first.shape },
    );
  }
  return bindings;
}

/** What a dimension is where every symbol without a value is `other`. */
function valueWith(dim: Dim, bindings: SymbolBindings, other: number): number {
  const valueOf = (symbol: string): number => (Object.hasOwn(bindings, symbol) ? (bindings[symbol] as number) : other);
  return parse(dim).reduce((sum, term) => sum + evalTerm(term, valueOf), 0);
}

function describe(bindings: SymbolBindings): string {
  return Object.entries(bindings)
    .map(([symbol, value]) => `${symbol} = ${value}`)
    .join(", ");
}
