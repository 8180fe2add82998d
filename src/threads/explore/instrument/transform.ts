/**
 * Makes plain accesses to shared memory visible by rewriting the source, in exploration only: a typed array behind a
 * Proxy throws in `Atomics`, and index getters of a subclass are ignored, so the text is the only place left. Every
 * computed member access becomes
 *
 *   a[i]                    __lockstep_read(a, (i))
 *   a[i] = x, a[i] += x,    __lockstep_at(a, (i)).v = x, …: an accessor whose `v` reads and writes, so that operators,
 *                           patterns and
 *   a[i]++, [a[i]] = x, …   loop heads keep the language's own meaning and order (a, then i, then the right side)
 *   a?.[i]                  __lockstep_read_optional(a, () => (i)), where it is a whole chain and i neither awaits nor
 *                           yields
 *
 * and accessors.ts says what those do. Loops that keep nothing between their rounds are marked (loops.ts). Edits stay
 * within their line, so line numbers are the source's own; columns are not.
 *
 * Left as they are: what is called, tagged or constructed (`a[i]()` needs its `this`, and no element of a typed array
 * is a function), `delete`, `super[…]`, `import.meta[…]`, and literal keys that are no index ("abc", 1.5). Not seen,
 * and so a limit of what is explored: an element further along an optional chain (`a?.b[i]`), a key of an object
 * pattern (`const { [i]: x } = a`), code in strings.
 */
import {
  parse,
  tokTypes,
  type AnyNode,
  type ChainExpression,
  type Literal,
  type MemberExpression,
  type Program,
} from "acorn";
import MagicString from "magic-string";
import { markLoop } from "./loops.ts";

/** What the source is to Node; `undefined`: a module if it parses as one. */
export type SourceFormat = "module" | "commonjs" | undefined;

/**
 * How a member expression is used: as a value, as a reference, as something that must stay a member expression, or as a
 * whole optional chain.
 */
type Role = "target" | "member" | "chain";

interface Parsed {
  readonly program: Program;
  readonly format: "module" | "commonjs";
  readonly brackets: readonly number[];
  readonly questionDots: readonly number[];
}

/**
 * JavaScript in (types stripped), JavaScript out, with as many lines. `url` is for the message of the `SyntaxError`
 * that a wrong source gives: `url:line:column: what acorn says`.
 */
export function transform(source: string, url: string, format?: SourceFormat): string {
  const parsed = parseSource(source, url, format);
  const output = new MagicString(source);
  const roles = new Map<AnyNode, Role>();
  const labelled = new Set<AnyNode>();
  visit(parsed.program, parsed.format === "module", (node, strict) => {
    assignRoles(node, roles);
    if (node.type === "LabeledStatement") labelled.add(node.body);
    markLoop(output, node, labelled.has(node));
    if (node.type === "NewExpression" && node.callee.type !== "Identifier") {
      // `new f(a).b()` would construct f: a callee that now contains a call is put in parentheses.
      output.appendLeft(node.callee.start, "(").appendRight(node.callee.end, ")");
    } else if (node.type === "MemberExpression" && mayBeElement(node)) {
      rewrite(output, source, node, roles.get(node), strict, parsed);
    }
  });
  return output.toString();
}

function rewrite(
  output: MagicString,
  source: string,
  node: MemberExpression,
  role: Role | undefined,
  strict: boolean,
  { brackets, questionDots }: Parsed,
): void {
  const open = firstFrom(brackets, node.object.end);
  const call = (name: string, between: string, close: string): void => {
    // Where the parts touch a keyword (`typeof[a][0]`, `for (a[0]of b)`), names would run into it.
    output.appendLeft(node.start, `${isWordAt(source, node.start - 1) ? " " : ""}${name}(`);
    output.update(open, open + 1, between);
    output.update(node.end - 1, node.end, `${close}${isWordAt(source, node.end) ? " " : ""}`);
  };
  if (inChain(node)) {
    if (role !== "chain" || !node.optional || inChain(node.object) || suspends(node.property)) return;
    const questionDot = firstFrom(questionDots, node.object.end);
    call("__lockstep_read_optional", " () => (", "))");
    output.update(questionDot, questionDot + 2, ",");
  } else if (role === "target") {
    call(strict ? "__lockstep_at" : "__lockstep_at_sloppy", ",(", ")).v");
  } else if (role !== "member") {
    call("__lockstep_read", ",(", "))");
  }
}

/** Parents come before their children, so a node's role is known when it is met. */
function assignRoles(node: AnyNode, roles: Map<AnyNode, Role>): void {
  const target = (child: AnyNode | null | undefined): void => {
    if (child) roles.set(child, "target");
  };
  /** Parentheses around a chain are not in the tree, and `(a?.[i])()` still has `a` as its `this`. */
  const member = (child: AnyNode): void => {
    roles.set(child.type === "ChainExpression" ? child.expression : child, "member");
  };
  switch (node.type) {
    case "AssignmentExpression":
    case "AssignmentPattern":
    case "ForInStatement":
    case "ForOfStatement":
      target(node.left);
      break;
    case "UpdateExpression":
    case "RestElement":
      target(node.argument);
      break;
    case "ArrayPattern":
      node.elements.forEach(target);
      break;
    case "ObjectPattern":
      for (const property of node.properties) if (property.type === "Property") target(property.value);
      break;
    case "CallExpression":
    case "NewExpression":
      member(node.callee);
      break;
    case "TaggedTemplateExpression":
      member(node.tag);
      break;
    case "UnaryExpression":
      if (node.operator === "delete") member(node.argument);
      break;
    case "ChainExpression":
      assignChain(node, roles);
      break;
    default:
  }
}

function assignChain({ expression }: ChainExpression, roles: Map<AnyNode, Role>): void {
  if (!roles.has(expression)) roles.set(expression, "chain");
}

/** Whether a member's name is computed and may be the index of an element. */
function mayBeElement({ computed, object, property }: MemberExpression): boolean {
  return (
    computed &&
    object.type !== "Super" &&
    object.type !== "MetaProperty" &&
    !(property.type === "Literal" && isName(property))
  );
}

function isName({ value, bigint }: Literal): boolean {
  if (bigint !== undefined || value instanceof RegExp) return false;
  const index = Number(value);
  return !(Number.isInteger(index) && index >= 0 && String(index) === String(value));
}

/** Whether evaluating it can be cut short by a `?.` before it. */
function inChain(node: AnyNode): boolean {
  for (
    let at = node;
    at.type === "MemberExpression" || at.type === "CallExpression";
    at = at.type === "MemberExpression" ? at.object : at.callee
  ) {
    if (at.optional) return true;
  }
  return false;
}

/**
 * Whether an expression awaits or yields outside functions of its own, so that it cannot move into an arrow function.
 */
function suspends(node: AnyNode): boolean {
  if (node.type === "AwaitExpression" || node.type === "YieldExpression") return true;
  return !isFunction(node) && childrenOf(node).some(suspends);
}

/** Calls `enter` for every node, parents first, with whether its code is strict. */
function visit(node: AnyNode, strict: boolean, enter: (node: AnyNode, strict: boolean) => void): void {
  const inner = strict || node.type === "ClassDeclaration" || node.type === "ClassExpression" || hasUseStrict(node);
  enter(node, inner);
  for (const child of childrenOf(node)) visit(child, inner, enter);
}

function hasUseStrict(node: AnyNode): boolean {
  const body =
    node.type === "Program" ? node.body : isFunction(node) && node.body.type === "BlockStatement" ? node.body.body : [];
  return body.some((statement) => statement.type === "ExpressionStatement" && statement.directive === "use strict");
}

function isFunction(
  node: AnyNode,
): node is Extract<AnyNode, { type: "FunctionDeclaration" | "FunctionExpression" | "ArrowFunctionExpression" }> {
  return (
    node.type === "FunctionDeclaration" || node.type === "FunctionExpression" || node.type === "ArrowFunctionExpression"
  );
}

function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node)
    .flat()
    .filter(
      (value: unknown): value is AnyNode =>
        typeof value === "object" && value !== null && "type" in value && typeof value.type === "string",
    );
}

function parseSource(source: string, url: string, format: SourceFormat): Parsed {
  try {
    return parseAs(source, format ?? "module");
  } catch (error) {
    if (format === undefined) {
      try {
        return parseAs(source, "commonjs");
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

function parseAs(source: string, format: "module" | "commonjs"): Parsed {
  const brackets: number[] = [];
  const questionDots: number[] = [];
  const program = parse(source, {
    ecmaVersion: "latest",
    sourceType: format,
    onToken: ({ type, start }) => {
      if (type === tokTypes.bracketL) brackets.push(start);
      else if (type === tokTypes.questionDot) questionDots.push(start);
    },
  });
  return { program, format, brackets, questionDots };
}

/** The first of the ascending positions that is not before `from`. */
function firstFrom(positions: readonly number[], from: number): number {
  let [low, high] = [0, positions.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((positions[middle] as number) < from) low = middle + 1;
    else high = middle;
  }
  return positions[low] as number;
}

function isWordAt(source: string, at: number): boolean {
  const character = source[at];
  return character !== undefined && (/[\w$]/.test(character) || character.charCodeAt(0) > 127);
}
