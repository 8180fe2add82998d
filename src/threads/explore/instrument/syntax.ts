/** What the parts of the transform share: a parsed source with its brackets, and a walk over its tree. */
import { parse, tokTypes, type AnyNode, type CallExpression, type MemberExpression, type Program } from "acorn";

/** What the source is to Node; `undefined`: a module if it parses as one. */
export type SourceFormat = "module" | "commonjs" | undefined;

/** Positions are ascending, and of the tokens, never of what looks like one in a text or a comment. */
export interface Parsed {
  readonly source: string;
  /** For messages. */
  readonly url: string;
  readonly program: Program;
  readonly format: "module" | "commonjs";
  readonly opening: readonly number[];
  readonly closing: readonly number[];
  readonly dots: readonly number[];
  readonly questionDots: readonly number[];
}

/** @throws SyntaxError `url:line:column: what acorn says` */
export function parseSource(source: string, url: string, format: SourceFormat): Parsed {
  try {
    return parseAs(source, url, format ?? "module");
  } catch (error) {
    if (format === undefined) {
      try {
        return parseAs(source, url, "commonjs");
      } catch {
        /* The module's error is the one to tell. */
      }
    }
    const { message, loc } = error as SyntaxError & {
      readonly loc?: { readonly line: number; readonly column: number };
    };
    const place = loc === undefined ? url : `${url}:${loc.line}:${loc.column + 1}`;
    throw new SyntaxError(`${place}: ${message.replace(/ \(\d+:\d+\)$/, "")}`, { cause: error });
  }
}

function parseAs(source: string, url: string, format: "module" | "commonjs"): Parsed {
  const opening: number[] = [];
  const closing: number[] = [];
  const dots: number[] = [];
  const questionDots: number[] = [];
  const program = parse(source, {
    ecmaVersion: "latest",
    sourceType: format,
    onToken: ({ type, start }) => {
      if (type === tokTypes.bracketL) opening.push(start);
      else if (type === tokTypes.bracketR) closing.push(start);
      else if (type === tokTypes.dot) dots.push(start);
      else if (type === tokTypes.questionDot) questionDots.push(start);
    },
  });
  return { source, url, program, format, opening, closing, dots, questionDots };
}

/** The first of the ascending positions that is not before `from`. */
export function firstFrom(positions: readonly number[], from: number): number {
  let [low, high] = [0, positions.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((positions[middle] as number) < from) low = middle + 1;
    else high = middle;
  }
  return positions[low] as number;
}

/** Where a position is, for messages: `url:line`. */
export function placeOf({ source, url }: Parsed, at: number): string {
  return `${url}:${lineOf(source, at)}`;
}

export function lineOf(source: string, at: number): number {
  let line = 1;
  for (let next = source.indexOf("\n"); next >= 0 && next < at; next = source.indexOf("\n", next + 1)) line++;
  return line;
}

/** Whether a name would run into what stands there. */
export function isWordAt(source: string, at: number): boolean {
  const character = source[at];
  return character !== undefined && (/[\w$]/.test(character) || character.charCodeAt(0) > 127);
}

/** Whether a member's name is computed and may be the index of an element. */
export function mayBeElement({ computed, object, property }: MemberExpression): boolean {
  return computed && object.type !== "Super" && object.type !== "MetaProperty" && mayBeIndex(property);
}

/** Whether a key may name an element: any but a literal that is no index ("abc", 1.5). */
export function mayBeIndex(key: AnyNode): boolean {
  if (key.type !== "Literal" || key.bigint !== undefined) return true;
  if (key.value instanceof RegExp) return true;
  const index = Number(key.value);
  return Number.isInteger(index) && index >= 0 && String(index) === String(key.value);
}

/** What comes before a member or a call of an optional chain. */
export function baseOf(node: MemberExpression | CallExpression): AnyNode {
  return node.type === "MemberExpression" ? node.object : node.callee;
}

/** Whether evaluating it can be cut short by a `?.` before it. */
export function inChain(node: AnyNode): boolean {
  for (let at = node; at.type === "MemberExpression" || at.type === "CallExpression"; at = baseOf(at))
    if (at.optional) return true;
  return false;
}

/**
 * Whether an expression awaits or yields outside functions of its own, so that it cannot move into an arrow function.
 */
export function suspends(node: AnyNode): boolean {
  if (node.type === "AwaitExpression" || node.type === "YieldExpression") return true;
  return !isFunction(node) && childrenOf(node).some(suspends);
}

/**
 * Calls `enter` for every node, parents first, with whether its code is strict, and with what it returned for the
 * parent.
 */
export function visit<T>(
  node: AnyNode,
  strict: boolean,
  from: T,
  enter: (node: AnyNode, strict: boolean, from: T) => T,
): void {
  const inner = strict || node.type === "ClassDeclaration" || node.type === "ClassExpression" || hasUseStrict(node);
  const here = enter(node, inner, from);
  for (const child of childrenOf(node)) visit(child, inner, here, enter);
}

function hasUseStrict(node: AnyNode): boolean {
  const body =
    node.type === "Program" ? node.body : isFunction(node) && node.body.type === "BlockStatement" ? node.body.body : [];
  return body.some((statement) => statement.type === "ExpressionStatement" && statement.directive === "use strict");
}

export type FunctionNode = Extract<
  AnyNode,
  { type: "FunctionDeclaration" | "FunctionExpression" | "ArrowFunctionExpression" }
>;

export function isFunction(node: AnyNode): node is FunctionNode {
  return (
    node.type === "FunctionDeclaration" || node.type === "FunctionExpression" || node.type === "ArrowFunctionExpression"
  );
}

export function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node)
    .flat()
    .filter(
      (value: unknown): value is AnyNode =>
        typeof value === "object" && value !== null && "type" in value && typeof value.type === "string",
    );
}
