/**
 * Which branches are taken, noted by the transformed code itself: conditions are handed through a function of their
 * file that notes whether they were true, and what is entered without a condition begins with a call of it.
 *
 *   if (a) …, a ? … : …, a && …     if (__lockstep_b_FILE(7,(a))) …
 *   a ?? …                          __lockstep_n_FILE(7,(a)) ?? …, which notes whether it is null or undefined
 *   catch, case, for-of, functions  { __lockstep_b_FILE(7,1); …
 *
 * Each of these is a point with one or two arms. Where a point stands is an arm too, so that of branches within each
 * other only the outermost is told. What the points are is written behind the code, and read when somebody asks. Not
 * counted are default values, `?.` and `||=`.
 */
import { createHash } from "node:crypto";
import type { AnyNode, Pattern } from "acorn";
import type MagicString from "magic-string";
import { isFunction, lineOf, type FunctionNode, type Parsed } from "./syntax.ts";

/** `test`: its arms are false and true; `nullish`: something, and null or undefined; else one, of being entered. */
export type PointKind = "test" | "nullish" | "catch" | "case" | "loop" | "function";

export interface Point {
  readonly kind: PointKind;
  readonly line: number;
  /** The condition, or what is entered. */
  readonly text: string;
  /** The arm (twice the point, and one more for true or entered) that it stands in; -1: of the module itself. */
  readonly within: number;
}

const BRANCHES = "\n//# lockstepBranches=";
const LONGEST_TEXT = 60;
/** Words that stand before a function and do not name it. */
const NO_NAMES = new Set(["return", "await", "async", "default", "yield", "new", "typeof", "void", "else", "in", "of"]);

/** Names of the functions that a file calls. */
export const namesOf = (path: string): { readonly test: string; readonly nullish: string } => {
  const file = createHash("sha256").update(path).digest("hex").slice(0, 12);
  return { test: `__lockstep_b_${file}`, nullish: `__lockstep_n_${file}` };
};

/** Rewrites the points of a source as they are met, parents first. */
export class BranchWriter {
  readonly #points: Point[] = [];
  readonly #output: MagicString;
  readonly #parsed: Parsed;
  readonly #names: { readonly test: string; readonly nullish: string };
  /** Arms that nodes begin. */
  readonly #arms = new Map<AnyNode, number>();

  constructor(output: MagicString, parsed: Parsed, path: string) {
    this.#output = output;
    this.#parsed = parsed;
    this.#names = namesOf(path);
  }

  /** `within`: the arm that its parent stands in; returns its own. */
  enter(node: AnyNode, within: number): number {
    const arm = this.#arms.get(node) ?? within;
    this.#visit(node, arm);
    return arm;
  }

  #visit(node: AnyNode, within: number): void {
    switch (node.type) {
      case "IfStatement":
      case "ConditionalExpression":
        this.#test(node.test, within, node.consequent, node.alternate);
        return;
      case "WhileStatement":
        this.#test(node.test, within, node.body, null);
        return;
      case "DoWhileStatement":
        this.#test(node.test, within, null, null);
        return;
      case "ForStatement": {
        const point = node.test ? this.#test(node.test, within, node.body, null) : undefined;
        if (node.update && point !== undefined) this.#arms.set(node.update, 2 * point + 1);
        return;
      }
      case "LogicalExpression":
        if (node.operator === "??") this.#wrap(this.#names.nullish, "nullish", node.left, within, node.right, null);
        else if (node.operator === "&&") this.#test(node.left, within, node.right, null);
        else this.#test(node.left, within, null, node.right);
        return;
      case "ForOfStatement":
      case "ForInStatement":
        return this.#loop(node.body, this.#textOf(node.right), within);
      case "CatchClause":
        return this.#block(node.body, "catch", "catch", within, node.param);
      case "SwitchCase":
        return this.#case(node, within);
      default:
        if (isFunction(node)) this.#function(node, within);
    }
  }

  #test(
    test: AnyNode,
    within: number,
    yes: AnyNode | null | undefined,
    no: AnyNode | null | undefined,
  ): number | undefined {
    if (test.type === "Literal") return undefined;
    return this.#wrap(this.#names.test, "test", test, within, yes, no);
  }

  #wrap(
    name: string,
    kind: PointKind,
    test: AnyNode,
    within: number,
    yes: AnyNode | null | undefined,
    no: AnyNode | null | undefined,
  ): number {
    const point = this.#add(kind, test.start, this.#textOf(test), within);
    this.#output.appendLeft(test.start, `${name}(${point},(`).prependLeft(test.end, "))");
    if (yes) this.#arms.set(yes, 2 * point + 1);
    if (no) this.#arms.set(no, 2 * point);
    return point;
  }

  #loop(body: AnyNode, list: string, within: number): void {
    if (body.type === "BlockStatement") return this.#block(body, "loop", list, within, null);
    const point = this.#add("loop", body.start, list, within);
    this.#output.appendLeft(body.start, `{${this.#call(point)};`).prependLeft(body.end, "}");
    this.#arms.set(body, 2 * point + 1);
  }

  #block(body: AnyNode, kind: PointKind, text: string, within: number, param: Pattern | null | undefined): void {
    const point = this.#add(kind, body.start, text, within);
    this.#output.appendLeft(body.start + 1, `${this.#call(point)};`);
    this.#arms.set(body, 2 * point + 1);
    if (param) this.#arms.set(param, 2 * point + 1);
  }

  #case(node: Extract<AnyNode, { type: "SwitchCase" }>, within: number): void {
    const [first] = node.consequent;
    if (first === undefined) return; // falls through to the next
    const text = node.test ? `case ${this.#textOf(node.test)}` : "default";
    const point = this.#add("case", node.start, text, within);
    this.#output.appendLeft(first.start, `${this.#call(point)};`);
    for (const statement of node.consequent) this.#arms.set(statement, 2 * point + 1);
  }

  #function(node: FunctionNode, within: number): void {
    const point = this.#add("function", node.start, this.#nameOf(node), within);
    const { body } = node;
    if (body.type === "BlockStatement") {
      const directives = body.body.filter((statement) => "directive" in statement && statement.directive !== undefined);
      this.#output.appendLeft(directives.at(-1)?.end ?? body.start + 1, `;${this.#call(point)};`);
    } else {
      this.#output.appendLeft(body.start, `(${this.#call(point)},`).prependLeft(body.end, ")");
    }
    this.#arms.set(body, 2 * point + 1);
    for (const param of node.params) this.#arms.set(param, 2 * point + 1);
  }

  #nameOf(node: FunctionNode): string {
    if (node.id) return node.id.name;
    // `put = (…) =>`, `put: function`, `put(…) {`
    const before = this.#parsed.source.slice(Math.max(0, node.start - 80), node.start);
    const [, name = "return"] = /([#\w$]+)\s*(?:[:=]\s*)?$/.exec(before) ?? [];
    return NO_NAMES.has(name) ? "a function" : name;
  }

  #call(point: number): string {
    return `${this.#names.test}(${point},1)`;
  }

  #add(kind: PointKind, at: number, text: string, within: number): number {
    return this.#points.push({ kind, line: lineOf(this.#parsed.source, at), text, within }) - 1;
  }

  #textOf({ start, end }: AnyNode): string {
    const text = this.#parsed.source.slice(start, end).replace(/\s+/g, " ");
    return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT - 1)}…` : text;
  }

  /** What is to stand behind the code. */
  get table(): string {
    return `${BRANCHES}${this.#points.length};${JSON.stringify(this.#points)}`;
  }
}

/** How many points a transformed source has, and what they are; null: it was transformed without. */
export function tableOf(source: string): { readonly count: number; readonly table: string } | null {
  const at = source.lastIndexOf(BRANCHES);
  if (at < 0) return null;
  const [text = ""] = source.slice(at + BRANCHES.length).split("\n");
  const semicolon = text.indexOf(";");
  return { count: Number(text.slice(0, semicolon)), table: text.slice(semicolon + 1) };
}

/** What a file notes in this thread: a byte for each arm. */
export interface FileHits {
  /** Its path. */
  readonly file: string;
  /** Of `Point`s, as JSON. */
  readonly table: string;
  readonly hits: Uint8Array<SharedArrayBuffer>;
}

/** Defines in this thread the functions that the file calls. */
export function installBranches(file: string, count: number, table: string): FileHits {
  const hits = new Uint8Array(new SharedArrayBuffer(2 * count));
  const { test, nullish } = namesOf(file);
  const define = (name: string, value: unknown): void =>
    void Object.defineProperty(globalThis, name, { value, configurable: true });
  define(test, (point: number, value: unknown): unknown => {
    hits[2 * point + (value ? 1 : 0)] = 1;
    return value;
  });
  define(nullish, (point: number, value: unknown): unknown => {
    hits[2 * point + (value === null || value === undefined ? 1 : 0)] = 1;
    return value;
  });
  return { file, table, hits };
}
