/**
 * Symbolic dimensions: products of named symbols and one non-negative integer, kept as canonical strings so that two
 * equal dimensions are equal values (`"2*B*T"`: factor first unless it is 1, symbols sorted; without symbols a plain
 * number). There are no sums: no operator here concatenates, so products are all that reshapes and broadcasts ever
 * need.
 */
import { LockstepError } from "../../base/index.ts";
import type { Dim, Shape } from "./types.ts";

interface Monomial {
  readonly factor: number;
  readonly symbols: readonly string[];
}
/** What each symbol stands for in one run. */
export type SymbolBindings = Readonly<Record<string, number>>;

const SYMBOL = /^[A-Za-z_][A-Za-z0-9_]*$/;
const FACTOR = /^[0-9]+$/;

function dimError(message: string, details: Record<string, string | number> = {}): LockstepError {
  return new LockstepError("GRAPH_INVALID", message, details);
}

function parse(dim: Dim): Monomial {
  if (typeof dim === "number") return { factor: checkedFactor(dim), symbols: [] };
  let factor = 1;
  const symbols: string[] = [];
  for (const part of dim.split("*").map((text) => text.trim())) {
    if (SYMBOL.test(part)) symbols.push(part);
    else if (FACTOR.test(part)) factor = checkedFactor(factor * Number(part));
    else throw dimError(`a dimension is an integer or a product such as "2*B*T", not ${JSON.stringify(dim)}`, { dim });
  }
  return { factor, symbols: factor === 0 ? [] : symbols.sort() };
}

function checkedFactor(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw dimError(`a dimension is a non-negative integer below 2^53, not ${value}`, { dim: value });
  return value;
}

function format({ factor, symbols }: Monomial): Dim {
  if (symbols.length === 0) return factor;
  return factor === 1 ? symbols.join("*") : [factor, ...symbols].join("*");
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
  const parts = dims.map(parse);
  const factor = parts.reduce((product, part) => checkedFactor(product * part.factor), 1);
  return format({ factor, symbols: factor === 0 ? [] : parts.flatMap((part) => part.symbols).sort() });
}

/** a / b where it is a dimension for every value of the symbols; otherwise GRAPH_INVALID. */
export function divDims(a: Dim, b: Dim): Dim {
  const dividend = parse(a);
  const divisor = parse(b);
  const rest = [...dividend.symbols];
  const divides =
    divisor.factor !== 0 &&
    dividend.factor % divisor.factor === 0 &&
    divisor.symbols.every((symbol) => {
      const at = rest.indexOf(symbol);
      if (at >= 0) rest.splice(at, 1);
      return at >= 0 || dividend.factor === 0;
    });
  if (!divides) throw dimError(`dimension ${a} is not divisible by ${b}`, { dividend: a, divisor: b });
  return format({ factor: dividend.factor / divisor.factor, symbols: rest });
}

/** The symbols of a dimension, sorted, with repetitions. */
export function symbolsOf(dim: Dim): readonly string[] {
  return typeof dim === "number" ? [] : parse(dim).symbols;
}

/** The integer that a dimension is under these bindings. */
export function evalDim(dim: Dim, bindings: SymbolBindings): number {
  const { factor, symbols } = parse(dim);
  return symbols.reduce((product, symbol) => {
    const value = Object.hasOwn(bindings, symbol) ? bindings[symbol] : undefined;
    if (value === undefined)
      throw dimError(
        `symbol ${symbol} of dimension ${dim} has no value; known: ${Object.keys(bindings).join(", ") || "none"}`,
        { dim, symbol },
      );
    return checkedFactor(product * value);
  }, factor);
}

export function evalShape(shape: Shape, bindings: SymbolBindings): number[] {
  return shape.map((dim) => evalDim(dim, bindings));
}

/**
 * Adds to `bindings` what an actual shape says about the symbols of a declared one. A dimension with one unbound symbol
 * (to the first power) decides it; others must agree with what is known. INPUT_INVALID when they do not.
 * Returns the axes that could not be decided yet because they have several unbound symbols.
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
      const { factor, symbols } = parse(shape[axis] ?? 0);
      const size = actual[axis] ?? -1;
      const unbound = symbols.filter((symbol) => !Object.hasOwn(bindings, symbol));
      if (unbound.length > 1) return true;
      const known = symbols.reduce(
        (product, symbol) => product * (Object.hasOwn(bindings, symbol) ? (bindings[symbol] ?? 0) : 1),
        factor,
      );
      const [symbol] = unbound;
      if (symbol === undefined ? known !== size : known === 0 || size % known !== 0 || size < 0) throw mismatch();
      if (symbol !== undefined) bindings[symbol] = size / known;
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

function describe(bindings: SymbolBindings): string {
  return Object.entries(bindings)
    .map(([symbol, value]) => `${symbol} = ${value}`)
    .join(", ");
}
