/**
 * Makes plain accesses to shared memory visible by rewriting the source, in exploration only: a typed array behind a
 * Proxy throws in `Atomics`, and index getters of a subclass are ignored, so the text is the only place left. Every
 * computed member access becomes
 *
 *   a[i]                    __lockstep_read(a, (i))
 *   a[i] = x, a[i] += x,    __lockstep_at(a, (i)).v = x, …: an accessor whose `v` reads and writes, so that operators,
 *                           patterns and
 *   a[i]++, [a[i]] = x, …   loop heads keep the language's own meaning and order (a, then i, then the right side)
 *   a?.[i], a?.b[i]         the chain in pieces (chains.ts)
 *   { [i]: x } = a          { [__lockstep_key(i)]: {} = 0, [__lockstep_same()]: x }: the first of the two keys names a
 *   { ...x } = a            getter of typed arrays, which so learns that its next access will be that element, or all
 *   { ...a }                { ...__lockstep_all(a) }
 *   eval(a), Function(a)    eval(__lockstep_code(a)), __lockstep_function(Function)(a): what they are given is
 *                           transformed as well
 *
 * and accessors.ts and strings.ts say what those do. Array patterns, spread and for-of go through iterators, which are
 * replaced (builtins.ts). Loops that keep nothing between their rounds are marked (loops.ts). Edits stay within their
 * line, so line numbers are the source's own; columns are not.
 *
 * Left as they are: what is called, tagged or constructed (`a[i]()` needs its `this`, and no element of a typed array
 * is a function), `delete`, `super[…]`, `import.meta[…]`, and literal keys that are no index ("abc", 1.5).
 */
import type { AnyNode, CallExpression, MemberExpression, NewExpression, ObjectPattern, Property } from "acorn";
import MagicString from "magic-string";
import { LockstepError } from "../../../base/index.ts";
import { BranchWriter } from "./branches.ts";
import { rewriteChain } from "./chains.ts";
import { markLoop } from "./loops.ts";
import {
  firstFrom,
  inChain,
  isWordAt,
  mayBeElement,
  mayBeIndex,
  parseSource,
  placeOf,
  visit,
  type Parsed,
  type SourceFormat,
} from "./syntax.ts";

export type { SourceFormat } from "./syntax.ts";

/**
 * How an expression is used: as a reference, or as something that must stay what it is, because it is constructed, or
 * because it is called, tagged or deleted.
 */
type Role = "target" | "constructed" | "reference";

export interface TransformOptions {
  /** Whether the code is strict without saying so, as what a direct `eval` in strict code is given. @default false */
  readonly strict?: boolean;
  /** Whether branches are noted (branches.ts), under the file's name `url`. @default false */
  readonly branches?: boolean;
}

/**
 * JavaScript in (types stripped), JavaScript out, with as many lines. `url` is for the message of the `SyntaxError`
 * that a wrong source gives: `url:line:column: what acorn says`.
 *
 * @throws INPUT_INVALID: it cannot be watched (chains.ts)
 */
export function transform(
  source: string,
  url: string,
  format?: SourceFormat,
  { strict: always = false, branches = false }: TransformOptions = {},
): string {
  const parsed = parseSource(source, url, format);
  const output = new MagicString(source);
  const roles = new Map<AnyNode, Role>();
  const labelled = new Set<AnyNode>();
  const writer = branches ? new BranchWriter(output, parsed, url) : null;
  visit(parsed.program, always || parsed.format === "module", -1, (node, strict, within) => {
    const arm = writer?.enter(node, within) ?? -1;
    assignRoles(node, roles);
    if (node.type === "LabeledStatement") labelled.add(node.body);
    markLoop(output, node, labelled.has(node));
    switch (node.type) {
      case "NewExpression":
        // `new f(a).b()` would construct f: a callee that now contains a call is put in parentheses.
        if (node.callee.type !== "Identifier")
          output.appendLeft(node.callee.start, "(").appendRight(node.callee.end, ")");
        rewriteFunction(output, node);
        break;
      case "CallExpression":
        rewriteFunction(output, node);
        rewriteEval(output, node, strict, parsed);
        break;
      case "ChainExpression": {
        const role = roles.get(node);
        const kept = (inner: AnyNode): boolean => inner === node.expression && role !== undefined;
        rewriteChain(output, node, parsed, role === "reference", kept);
        break;
      }
      case "MemberExpression":
        if (mayBeElement(node) && !inChain(node)) rewriteElement(output, node, roles.get(node), strict, parsed);
        break;
      case "ObjectPattern":
        rewritePattern(output, node, parsed);
        break;
      case "ObjectExpression":
        for (const property of node.properties) rewriteProperty(output, property);
        break;
      default:
    }
    return arm;
  });
  return output.toString() + (writer?.table ?? "");
}

function rewriteElement(
  output: MagicString,
  node: MemberExpression,
  role: Role | undefined,
  strict: boolean,
  { source, opening }: Parsed,
): void {
  if (role === "constructed" || role === "reference") return;
  const [name, close] =
    role === "target" ? [strict ? "__lockstep_at" : "__lockstep_at_sloppy", ")).v"] : ["__lockstep_read", "))"];
  const open = firstFrom(opening, node.object.end);
  // Where the parts touch a keyword (`typeof[a][0]`, `for (a[0]of b)`), names would run into it.
  output.appendLeft(node.start, `${isWordAt(source, node.start - 1) ? " " : ""}${name}(`);
  output.update(open, open + 1, ",(");
  output.update(node.end - 1, node.end, `${close}${isWordAt(source, node.end) ? " " : ""}`);
}

function rewritePattern(output: MagicString, { properties }: ObjectPattern, { opening, closing }: Parsed): void {
  for (const property of properties) {
    if (property.type === "RestElement") {
      output.appendLeft(property.start, "[__lockstep_rest]:{}=0,");
    } else if (!mayBeIndex(property.key) || (!property.computed && property.key.type !== "Literal")) {
      continue;
    } else if (property.computed) {
      const open = firstFrom(opening, property.start);
      const close = firstFrom(closing, property.key.end);
      output.update(open, open + 1, "[__lockstep_key((");
      output.update(close, close + 1, "))]:{}=0,[__lockstep_same()]");
    } else {
      const { start, end } = property.key;
      output.appendLeft(start, "[__lockstep_key(").prependLeft(end, ")]:{}=0,[__lockstep_same()]");
    }
  }
}

function rewriteProperty(output: MagicString, property: Property | { type: "SpreadElement"; argument: AnyNode }): void {
  if (property.type === "SpreadElement") wrap(output, "__lockstep_all", property.argument);
  else if (!property.computed && !property.shorthand && !property.method && isProto(property.key))
    wrap(output, "__lockstep_proto", property.value);
}

function isProto(key: AnyNode): boolean {
  return (key.type === "Identifier" ? key.name : key.type === "Literal" ? key.value : "") === "__proto__";
}

/** `Function(…)` and `new Function(…)`. */
function rewriteFunction(output: MagicString, { type, callee }: CallExpression | NewExpression): void {
  if (callee.type !== "Identifier" || callee.name !== "Function") return;
  const [open, close] = type === "NewExpression" ? ["(", ")"] : ["", ""];
  output.appendLeft(callee.start, `${open}__lockstep_function(`).prependLeft(callee.end, `)${close}`);
}

/** A direct `eval` stays one; it takes no second argument. */
function rewriteEval(output: MagicString, node: CallExpression, strict: boolean, parsed: Parsed): void {
  const { callee, arguments: given, optional } = node;
  const [first] = given;
  if (callee.type !== "Identifier" || callee.name !== "eval" || first === undefined) return;
  if (first.type === "SpreadElement")
    throw new LockstepError(
      "INPUT_INVALID",
      `${placeOf(parsed, node.start)}: eval(...) of a spread cannot be watched: give it its one argument`,
    );
  output.appendLeft(first.start, "__lockstep_code((").prependLeft(first.end, `),${strict && !optional})`);
}

function wrap(output: MagicString, name: string, { start, end }: AnyNode): void {
  output.appendLeft(start, `${name}((`).prependLeft(end, "))");
}

/** Parents come before their children, so a node's role is known when it is met. */
function assignRoles(node: AnyNode, roles: Map<AnyNode, Role>): void {
  const set = (child: AnyNode | null | undefined, role: Role): void => {
    if (child) roles.set(child, role);
  };
  switch (node.type) {
    case "AssignmentExpression":
    case "AssignmentPattern":
    case "ForInStatement":
    case "ForOfStatement":
      set(node.left, "target");
      break;
    case "UpdateExpression":
    case "RestElement":
      set(node.argument, "target");
      break;
    case "ArrayPattern":
      for (const element of node.elements) set(element, "target");
      break;
    case "ObjectPattern":
      for (const property of node.properties) if (property.type === "Property") set(property.value, "target");
      break;
    // Parentheses around a chain are not in the tree, and `(a?.[i])()` still has `a` as its `this`.
    case "CallExpression":
      set(node.callee, "reference");
      break;
    case "NewExpression":
      set(node.callee, "constructed");
      break;
    case "TaggedTemplateExpression":
      set(node.tag, "reference");
      break;
    case "UnaryExpression":
      if (node.operator === "delete") set(node.argument, "reference");
      break;
    default:
  }
}
