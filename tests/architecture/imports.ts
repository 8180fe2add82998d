/**
 * Reads what a module imports, with TypeScript's own parser (a regular expression would see imports in comments and
 * strings): static and type imports, re-exports, `import()`, the worker entries named by "#entry/…" strings, and
 * whether it names `Atomics`.
 */
import ts from "typescript";

export interface ModuleImports {
  /** Specifiers of import, export-from and import(), in order. */
  readonly imports: readonly string[];
  /** What follows "#entry/" in string literals: modules that run in another thread. */
  readonly entries: readonly string[];
  /** `new URL("x.ts", …)`: survives the build unchanged and then points nowhere. */
  readonly sourceUrls: readonly string[];
  /** Whether it names `Atomics`, however it gets at it. */
  readonly atomics: boolean;
}

const ENTRY = "#entry/";

export function readImports(name: string, text: string): ModuleImports {
  const imports: string[] = [];
  const entries: string[] = [];
  const sourceUrls: string[] = [];
  let atomics = false;

  const visit = (node: ts.Node): void => {
    if (
      (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) &&
      node.moduleSpecifier !== undefined &&
      ts.isStringLiteral(node.moduleSpecifier)
    ) {
      imports.push(node.moduleSpecifier.text);
    } else if (
      ts.isImportTypeNode(node) &&
      ts.isLiteralTypeNode(node.argument) &&
      ts.isStringLiteral(node.argument.literal)
    ) {
      imports.push(node.argument.literal.text);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument !== undefined && ts.isStringLiteralLike(argument) && !argument.text.startsWith(ENTRY))
        imports.push(argument.text);
    } else if (ts.isNewExpression(node) && node.expression.getText() === "URL") {
      const [argument] = node.arguments ?? [];
      if (argument !== undefined && ts.isStringLiteralLike(argument) && argument.text.endsWith(".ts"))
        sourceUrls.push(argument.text);
    }
    if (ts.isStringLiteralLike(node) && node.text.startsWith(ENTRY)) entries.push(node.text.slice(ENTRY.length));
    if (ts.isIdentifier(node) && node.text === "Atomics") atomics = true;
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true));
  return { imports, entries, sourceUrls, atomics };
}

/** The strongly connected groups of more than one module (Tarjan 1972), and modules that import themselves. */
export function cycles(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];

  const connect = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.get(node)!);
    stack.push(node);
    for (const next of edges.get(node) ?? []) {
      if (!index.has(next)) {
        connect(next);
        low.set(node, Math.min(low.get(node)!, low.get(next)!));
      } else if (stack.includes(next)) {
        low.set(node, Math.min(low.get(node)!, index.get(next)!));
      }
    }
    if (low.get(node) !== index.get(node)) return;
    const group = stack.splice(stack.indexOf(node));
    if (group.length > 1 || (edges.get(node) ?? []).includes(node)) found.push(group.sort());
  };
  for (const node of edges.keys()) if (!index.has(node)) connect(node);
  return found;
}
