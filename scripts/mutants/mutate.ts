/**
 * The mutants of one source file, and a form of the file that holds all of them at once: each place asks `M(n)` which
 * of its forms is to be run, so that threads that have loaded it once can run every mutant. After R. Untch, A. Offutt
 * and M. Harrold, "Mutation Analysis Using Mutant Schemata" (1993).
 *
 * What is mutated: statements that call something or set something (left out; two neighbours swapped), compare-and-sets
 * (made unconditional; claimed without being made), atomic arithmetic (skipped), notifications (one for all, all for
 * one), conditions (never), comparisons (turned round, moved by one), `&&` and `||` (one side left out), flags
 * (one side left out), sums with 1 (the 1 left out), sums (the sign turned), negations and truth values. Not: what only
 * makes a message, names, constants of modules, and how a constructor keeps its arguments.
 */
import ts from "typescript";

export interface Mutant {
  /** `file · member · line · what is changed · how`, and a number where that is said twice. Lines may move. */
  readonly key: string;
  readonly file: string;
  /** From 1, for display. */
  readonly line: number;
  /** The line's own text. */
  readonly text: string;
  /** `deleted: this.wakeAll()`, for instance. */
  readonly change: string;
}

export interface Mutated {
  readonly mutants: readonly Mutant[];
  /** The file with all of them in it; mutant i is run when `M(first + i)` is true. */
  schemata(first: number, selector: string): string;
}

interface Alternative {
  readonly place: ts.Node;
  /** The label, without what is changed. */
  readonly how: string;
  readonly text: string;
}

/** A pair of neighbouring statements in the other order. */
interface Swap {
  readonly first: ts.Statement;
  readonly second: ts.Statement;
}

const printer = ts.createPrinter({ removeComments: true });

const ATOMIC_NEUTRAL = new Set(["add", "sub", "or", "and", "xor", "exchange"]);
const COMPARED: ReadonlyMap<ts.SyntaxKind, readonly (readonly [string, string])[]> = new Map([
  [ts.SyntaxKind.EqualsEqualsEqualsToken, [["turned round", "!=="]]],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken, [["turned round", "==="]]],
  [
    ts.SyntaxKind.LessThanToken,
    [
      ["turned round", ">="],
      ["moved by one", "<="],
    ],
  ],
  [
    ts.SyntaxKind.LessThanEqualsToken,
    [
      ["turned round", ">"],
      ["moved by one", "<"],
    ],
  ],
  [
    ts.SyntaxKind.GreaterThanToken,
    [
      ["turned round", "<="],
      ["moved by one", ">="],
    ],
  ],
  [
    ts.SyntaxKind.GreaterThanEqualsToken,
    [
      ["turned round", "<"],
      ["moved by one", ">"],
    ],
  ],
]);

export function mutate(file: string, source: string): Mutated {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ESNext, true);
  const textOf = (node: ts.Node): string =>
    printer.printNode(ts.EmitHint.Unspecified, node, tree).replace(/\s*\n\s*/g, " ");
  const alternatives = new Map<ts.Node, Alternative[]>();
  const swaps = new Map<ts.Node, Swap>();
  const mutants: Mutant[] = [];
  const numbers = new Map<Alternative | Swap, number>();
  const seen = new Map<string, number>();

  function add(item: Alternative | Swap, place: ts.Node, what: string): void {
    const line = tree.getLineAndCharacterOfPosition(place.getStart(tree)).line;
    const text = source.split("\n")[line]!.trim();
    const base = [file, memberOf(place), text, what].join(" · ");
    const times = (seen.get(base) ?? 0) + 1;
    seen.set(base, times);
    numbers.set(item, mutants.length);
    mutants.push({
      key: times === 1 ? base : `${base} · ${times}`,
      file,
      line: line + 1,
      text,
      change: what,
    });
  }

  function offer(place: ts.Node, how: string, text: string): void {
    const item: Alternative = { place, how, text };
    alternatives.set(place, [...(alternatives.get(place) ?? []), item]);
    add(item, place, `${how}: ${shortened(textOf(place))}`);
  }

  function visit(node: ts.Node): void {
    if (isSilent(node)) return;
    if (ts.isBlock(node) || ts.isSourceFile(node) || ts.isCaseClause(node)) pairs(node.statements);
    if (ts.isExpressionStatement(node)) statement(node);
    if (ts.isExpression(node)) expression(node);
    if (ts.isIfStatement(node) || ts.isWhileStatement(node)) condition(node.expression);
    if (ts.isConditionalExpression(node)) condition(node.condition);
    ts.forEachChild(node, visit);
  }

  /** Functions' bodies only: what is done while a module loads is not mutated. */
  function functions(node: ts.Node): void {
    if (
      ts.isFunctionDeclaration(node) ||
      ts.isMethodDeclaration(node) ||
      ts.isGetAccessor(node) ||
      ts.isConstructorDeclaration(node) ||
      (ts.isArrowFunction(node) && !ts.isCallExpression(node.parent))
    ) {
      if (node.body !== undefined) visit(node.body);
      return;
    }
    ts.forEachChild(node, functions);
  }

  function pairs(statements: readonly ts.Statement[]): void {
    for (let i = 0; i + 1 < statements.length; i++) {
      const [first, second] = [statements[i]!, statements[i + 1]!];
      if (isSilent(first) || isSilent(second) || swaps.has(first)) continue;
      if (!acts(first, tree) || !acts(second, tree) || !swappable(first, second)) continue;
      const swap = { first, second };
      swaps.set(first, swap);
      add(swap, first, `swapped: ${shortened(textOf(first))} <> ${shortened(textOf(second))}`);
    }
  }

  function statement(node: ts.ExpressionStatement): void {
    const { expression: inner } = node;
    if (ts.isCallExpression(inner) && inner.expression.kind === ts.SyntaxKind.SuperKeyword) return;
    if (ts.isYieldExpression(inner)) return;
    if (isAssignment(inner) && inConstructor(node) && /^this\./.test(inner.getText(tree))) return;
    offer(node, "deleted", ";");
  }

  function expression(node: ts.Expression): void {
    if (ts.isCallExpression(node)) call(node);
    else if (ts.isBinaryExpression(node)) binary(node);
    else if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken)
      offer(node, "not negated", `(${textOf(node.operand)})`);
    else if (
      (node.kind === ts.SyntaxKind.TrueKeyword || node.kind === ts.SyntaxKind.FalseKeyword) &&
      (ts.isReturnStatement(node.parent) || isAssignmentOf(node))
    )
      offer(node, "the opposite", node.kind === ts.SyntaxKind.TrueKeyword ? "false" : "true");
  }

  function call(node: ts.CallExpression): void {
    const name = node.expression.getText(tree);
    const args = node.arguments.map(textOf);
    if (name === "cas") {
      const [words, index, , replacement] = args;
      offer(node, "unconditional", `(Atomics.store(${words}, ${index}, ${replacement}), true)`);
      if (!ts.isExpressionStatement(node.parent)) offer(node, "claimed, not made", "true");
    } else if (name === "Atomics.compareExchange") {
      const [words, index, expected, replacement] = args;
      offer(node, "unconditional", `(Atomics.store(${words}, ${index}, ${replacement}), ${expected})`);
    } else if (name.startsWith("Atomics.") && ATOMIC_NEUTRAL.has(name.slice(8))) {
      if (!ts.isExpressionStatement(node.parent)) offer(node, "skipped", `Atomics.load(${args[0]}, ${args[1]})`);
    } else if (name === "Atomics.notify") {
      if (args.length === 2) offer(node, "one for all", `Atomics.notify(${args.join(", ")}, 1)`);
      else offer(node, "all for one", `Atomics.notify(${args[0]}, ${args[1]})`);
      if (!ts.isExpressionStatement(node.parent)) offer(node, "nobody woken", "0");
    }
  }

  function binary(node: ts.BinaryExpression): void {
    const { kind } = node.operatorToken;
    const [left, right] = [textOf(node.left), textOf(node.right)];
    for (const [how, operator] of COMPARED.get(kind) ?? []) offer(node, how, `(${left} ${operator} ${right})`);
    if (kind === ts.SyntaxKind.AmpersandAmpersandToken || kind === ts.SyntaxKind.BarBarToken) {
      offer(node, "only the first", `(${left})`);
      offer(node, "only the second", `(${right})`);
    } else if (kind === ts.SyntaxKind.BarToken || kind === ts.SyntaxKind.AmpersandToken) {
      if (/^\(?[\w.#]* ?\| 0\)?$/.test(node.getText(tree))) return; // a conversion
      offer(node, "without the last", `(${left})`);
      if (kind === ts.SyntaxKind.BarToken) offer(node, "without the first", `(${right})`);
    } else if (kind === ts.SyntaxKind.PlusToken || kind === ts.SyntaxKind.MinusToken) {
      if (isText(node)) return;
      const turned = kind === ts.SyntaxKind.PlusToken ? "-" : "+";
      if (right === "1") offer(node, "without 1", `(${left})`);
      else if (left === "1") offer(node, "without 1", `(${right})`);
      else offer(node, "sign turned", `(${left} ${turned} ${right})`);
    }
  }

  /** Of comparisons, compare-and-sets and what is made of them there are mutants already. */
  function condition(node: ts.Expression): void {
    if (ts.isBinaryExpression(node) || ts.isPrefixUnaryExpression(node)) return;
    if (ts.isCallExpression(node) && node.expression.getText(tree) === "cas") return;
    offer(node, "never", "false");
  }

  functions(tree);

  function schemata(first: number, selector: string): string {
    const at = (item: Alternative | Swap): string => `M(${first + numbers.get(item)!})`;
    function embedded(node: ts.Node): string {
      const swap = swaps.get(node);
      if (swap !== undefined && ts.isStatement(node)) return swapped(swap);
      return alone(node);
    }
    function alone(node: ts.Node): string {
      const inner = inside(node);
      const own = alternatives.get(node) ?? [];
      if (own.length === 0) return inner;
      if (ts.isStatement(node))
        return own.reduce((rest, item) => `if (${at(item)}) {${item.text}} else {${rest}}`, inner);
      return own.reduce((rest, item) => `(${at(item)} ? ${item.text} : ${rest})`, `(${inner})`);
    }
    function swapped(swap: Swap): string {
      const firstText = alone(swap.first);
      const secondText = embedded(swap.second);
      const other = textOf(swap.second);
      const rest = following(swap.second);
      if (!ts.isVariableStatement(swap.first))
        return `if (${at(swap)}) {${other} ${textOf(swap.first)} ${rest}} else {${firstText} ${secondText}}`;
      const [declared] = swap.first.declarationList.declarations;
      const set = `${declared!.name.getText(tree)} = ${textOf(declared!.initializer!)};`;
      const kept = `${declared!.name.getText(tree)} = ${embedded(declared!.initializer!)};`;
      return (
        `let ${declared!.name.getText(tree)}: any; ` +
        `if (${at(swap)}) {${other} ${set} ${rest}} else {${kept} ${secondText}}`
      );
    }
    /** What is written along with this statement because it is the first of a pair itself, as it stands. */
    function following(node: ts.Node): string {
      const next = swaps.get(node);
      return next === undefined ? "" : `${textOf(next.second)} ${following(next.second)}`;
    }
    function inside(node: ts.Node): string {
      let text = "";
      let from = node.getStart(tree);
      const skipped = new Set<ts.Node>();
      ts.forEachChild(node, (child) => {
        if (skipped.has(child)) {
          from = child.getEnd();
          return;
        }
        text += source.slice(from, child.getStart(tree)) + embedded(child);
        const swap = swaps.get(child);
        if (swap !== undefined) skipped.add(swap.second);
        // a pair of a pair has been written with the first
        for (let next = swap; next !== undefined; next = swaps.get(next.second)) skipped.add(next.second);
        from = child.getEnd();
      });
      return text + source.slice(from, node.getEnd());
    }
    return `import { M } from ${JSON.stringify(selector)};\n${source.slice(0, tree.getStart(tree))}${embedded(tree)}\n`;
  }

  return { mutants, schemata };
}

function shortened(text: string): string {
  return text.length <= 90 ? text : `${text.slice(0, 87)}…`;
}

/** The name of the function or method that a place lies in. */
function memberOf(node: ts.Node): string {
  for (let outer: ts.Node | undefined = node.parent; outer !== undefined; outer = outer.parent) {
    if (ts.isConstructorDeclaration(outer)) return `${classOf(outer)}constructor`;
    if ((ts.isMethodDeclaration(outer) || ts.isGetAccessor(outer)) && ts.isClassDeclaration(outer.parent))
      return `${classOf(outer)}${outer.name.getText()}`;
    if (ts.isFunctionDeclaration(outer) && outer.name !== undefined) return outer.name.text;
  }
  return "";
}

function classOf(node: ts.Node): string {
  return ts.isClassDeclaration(node.parent) && node.parent.name !== undefined ? `${node.parent.name.text}.` : "";
}

/** Makes only messages, types or names: nothing that runs where it matters. */
function isSilent(node: ts.Node): boolean {
  if (ts.isThrowStatement(node) || ts.isTypeNode(node) || ts.isTemplateExpression(node)) return true;
  if (ts.isCallExpression(node) && node.expression.getText() === "invariant") return true;
  if (ts.isNewExpression(node) && /Error$/.test(node.expression.getText())) return true;
  if (ts.isPropertyAssignment(node) && node.name.getText() === "what") return true;
  return (
    (ts.isMethodDeclaration(node) || ts.isFunctionDeclaration(node)) &&
    node.type !== undefined &&
    /^(?:LockstepError|OwnerDiedError|string)$/.test(node.type.getText())
  );
}

/** Calls something, or sets something. */
function acts(node: ts.Statement, tree: ts.SourceFile): boolean {
  if (ts.isExpressionStatement(node)) return !/^super\(/.test(node.getText(tree));
  if (ts.isVariableStatement(node)) {
    const { declarations } = node.declarationList;
    const [one] = declarations;
    return (
      declarations.length === 1 &&
      ts.isIdentifier(one!.name) &&
      one!.initializer !== undefined &&
      reads(one!.initializer)
    );
  }
  return ts.isIfStatement(node) && reads(node.expression);
}

/** Looks at shared memory, as far as that can be seen from here. */
function reads(node: ts.Node): boolean {
  const text = node.getText();
  return (
    /\bload\(|\bcas\(|Atomics\.|\.word\b|#\w+\(|slots\.|turn\.|announce\(|attempt\(/.test(text) ||
    /\.(?:open|owner|value|reason)\b/.test(text)
  );
}

function swappable(first: ts.Statement, second: ts.Statement): boolean {
  if (ts.isVariableStatement(second)) return false;
  if (ts.isIfStatement(first)) return false;
  if (!ts.isVariableStatement(first)) return ts.isExpressionStatement(second) && !inConstructor(first);
  if (first.declarationList.flags & ts.NodeFlags.Using) return false;
  const name = first.declarationList.declarations[0]!.name.getText();
  return !new RegExp(`(?<![\\w#.])${name.replace("$", "\\$")}\\b`).test(second.getText());
}

function isAssignment(node: ts.Node): node is ts.BinaryExpression {
  return ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken;
}

function isAssignmentOf(node: ts.Expression): boolean {
  return isAssignment(node.parent) && node.parent.right === node;
}

function inConstructor(node: ts.Node): boolean {
  return ts.isBlock(node.parent) && ts.isConstructorDeclaration(node.parent.parent);
}

function isText(node: ts.BinaryExpression): boolean {
  return [node.left, node.right].some(
    (side) =>
      ts.isStringLiteralLike(side) || ts.isTemplateExpression(side) || (ts.isBinaryExpression(side) && isText(side)),
  );
}
