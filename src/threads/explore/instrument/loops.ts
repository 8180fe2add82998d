/**
 * Loops that keep nothing from one round to the next but what they read in it: a round that reads what the last one
 * read leaves the thread as that one left it. The transform marks them, so that a spin in one of them can be put off
 * without leaving anything out (spin.ts):
 *
 *   while (test) body       {__lockstep_loop();while (test) {__lockstep_round();body}}
 *
 * What is allowed is what can be judged on sight: no calls but those of `Atomics` and `Math`, no loop within, no name
 * assigned except as a whole, by every round, from what is not assigned in the loop. Reading a property is taken to
 * have no effect. Everything else may keep something, and is left unmarked.
 */
import type { AnyNode, DoWhileStatement, ForStatement, Pattern, WhileStatement } from "acorn";
import type MagicString from "magic-string";

export type Loop = WhileStatement | DoWhileStatement | ForStatement;

/** Of this thread: which marked loop was entered last, and rounds of marked loops so far. */
export const loopMarks = { loop: 0, round: 0 };

/** What transformed code calls. */
export const loopGlobals: Readonly<Record<string, () => void>> = {
  __lockstep_loop: () => {
    loopMarks.loop++;
  },
  __lockstep_round: () => {
    loopMarks.round++;
  },
};

/** At the beginning of a schedule. */
export function forgetLoops(): void {
  loopMarks.loop = 0;
  loopMarks.round = 0;
}

/** `labelled`: it has to stay right behind its label. */
export function markLoop(output: MagicString, node: AnyNode, labelled: boolean): void {
  if (labelled || !isLoop(node) || !keepsNothing(node)) return;
  const { body } = node;
  output.appendLeft(node.start, "{__lockstep_loop();");
  if (body.type === "BlockStatement") {
    output.appendLeft(body.start + 1, "__lockstep_round();");
  } else {
    output.appendLeft(body.start, "{__lockstep_round();");
    output.appendLeft(body.end, "}");
  }
  output.appendLeft(node.end, "}");
}

function isLoop(node: AnyNode): node is Loop {
  return node.type === "WhileStatement" || node.type === "DoWhileStatement" || node.type === "ForStatement";
}

function keepsNothing(loop: Loop): boolean {
  const assigned = new Set<string>();
  const every = [loop.test, loop.type === "ForStatement" ? loop.update : null];
  if (!collect(loop.body, assigned) || !every.every((node) => !node || collect(node, assigned))) return false;
  while (spread(loop.body, assigned));
  const rule: Rule = { assigned, unconditional: true };
  return every.every((node) => !node || keeps(node, rule)) && keeps(loop.body, rule);
}

interface Rule {
  readonly assigned: ReadonlySet<string>;
  /** Whether this is done by every round. */
  readonly unconditional: boolean;
}

/** Names that are assigned; false where something else than a name is. */
function collect(node: AnyNode, names: Set<string>): boolean {
  if (node.type === "AssignmentExpression") {
    if (node.left.type !== "Identifier") return false;
    names.add(node.left.name);
  }
  return children(node).every((child) => collect(child, names));
}

/** Adds the names that are declared from such names; true: there was one. */
function spread(node: AnyNode, names: Set<string>): boolean {
  let added = false;
  if (node.type === "VariableDeclarator" && node.id.type === "Identifier" && node.init && !names.has(node.id.name)) {
    added = mentions(node.init, names);
    if (added) names.add(node.id.name);
  }
  return (
    children(node)
      .map((child) => spread(child, names))
      .includes(true) || added
  );
}

/** Whether evaluating this keeps nothing that a round like it would not leave as well. */
function keeps(node: AnyNode, rule: Rule): boolean {
  const inner = (child: AnyNode | null | undefined, conditional = false): boolean =>
    !child || keeps(child, conditional ? { ...rule, unconditional: false } : rule);
  switch (node.type) {
    case "Literal":
    case "Identifier":
    case "ThisExpression":
    case "EmptyStatement":
    case "BreakStatement":
    case "PrivateIdentifier":
      return true;
    case "ReturnStatement":
    case "ThrowStatement":
      return true; // leaves the loop
    case "ContinueStatement":
      return node.label === null && rule.assigned.size === 0;
    case "BlockStatement":
      return node.body.every((statement) => inner(statement));
    case "ExpressionStatement":
    case "ChainExpression":
    case "ParenthesizedExpression":
      return inner(node.expression);
    case "IfStatement":
      return inner(node.test) && inner(node.consequent, true) && inner(node.alternate, true);
    case "ConditionalExpression":
      return inner(node.test) && inner(node.consequent, true) && inner(node.alternate, true);
    case "LogicalExpression":
      return inner(node.left) && inner(node.right, true);
    case "BinaryExpression":
      return inner(node.left) && inner(node.right);
    case "SequenceExpression":
    case "TemplateLiteral":
      return node.expressions.every((part) => inner(part));
    case "ArrayExpression":
      return node.elements.every((element) => inner(element));
    case "UnaryExpression":
      return node.operator !== "delete" && inner(node.argument);
    case "MemberExpression":
      return node.object.type !== "Super" && inner(node.object) && inner(node.property);
    case "VariableDeclaration":
      return (
        (node.kind === "const" || node.kind === "let") &&
        node.declarations.every(({ id, init }) => isName(id) && inner(init))
      );
    case "AssignmentExpression":
      return node.operator === "=" && rule.unconditional && !mentions(node.right, rule.assigned) && inner(node.right);
    case "CallExpression":
      return isBuiltin(node.callee) && node.arguments.every((argument) => inner(argument));
    default:
      return false;
  }
}

function isName(pattern: Pattern): boolean {
  return pattern.type === "Identifier";
}

function mentions(node: AnyNode, names: ReadonlySet<string>): boolean {
  return (node.type === "Identifier" && names.has(node.name)) || children(node).some((child) => mentions(child, names));
}

function isBuiltin(callee: AnyNode): boolean {
  if (callee.type !== "MemberExpression" || callee.computed || callee.object.type !== "Identifier") return false;
  const name = callee.property.type === "Identifier" ? callee.property.name : "";
  return (
    (callee.object.name === "Atomics" && name !== "waitAsync") || (callee.object.name === "Math" && name !== "random")
  );
}

function children(node: AnyNode): AnyNode[] {
  return Object.values(node)
    .flat()
    .filter(
      (value: unknown): value is AnyNode =>
        typeof value === "object" && value !== null && "type" in value && typeof value.type === "string",
    );
}
