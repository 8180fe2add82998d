/**
 * TypeScript as projects have it, made JavaScript with the source's own lines wherever that can be.
 *
 * Types are taken out by Node, which leaves every position where it was. Imports of names that are used as types only
 * go with them, as the compiler does (unless the project says `verbatimModuleSyntax`). Syntax that is more than types
 * (enums, namespaces, parameter properties, decorators, JSX) goes through the project's own `typescript` where it has
 * one, else through Node's transform; lines move then, and a table of where they were is put at the end.
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire, SourceMap, stripTypeScriptTypes } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parse, tokTypes, type ImportDeclaration } from "acorn";
import MagicString from "magic-string";

/** What is used of the compiler. */
interface Compiler {
  readonly version: string;
  transpileModule(
    source: string,
    options: { readonly compilerOptions: object; readonly fileName: string; readonly reportDiagnostics: true },
  ): {
    readonly outputText: string;
    readonly sourceMapText?: string;
    readonly diagnostics?: readonly {
      readonly start?: number;
      readonly category: number;
      readonly messageText: string | { readonly messageText: string };
    }[];
  };
}

const LINES = "\n//# lockstepLines=";
const DIAGNOSTIC_ERROR = 1;

/** JavaScript from TypeScript. @throws SyntaxError with path, line and column */
export function toJavaScript(source: string, path: string): string {
  if (!path.endsWith("x")) {
    try {
      const code = strip(source, path);
      requireNoDecorators(code, path);
      return withoutTypeImports(code, path);
    } catch (thrown) {
      if (!(thrown instanceof SyntaxError)) throw thrown;
      const compiler = compilerOf(path);
      if (compiler !== undefined) return compiled(source, path, compiler);
      if ((thrown as NodeJS.ErrnoException).code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX")
        return transformed(source, path);
      throw thrown;
    }
  }
  const compiler = compilerOf(path);
  if (compiler !== undefined) return compiled(source, path, compiler);
  throw new SyntaxError(
    `${path}: JSX cannot be explored without the project's own compiler: npm install -D typescript`,
  );
}

/** Node leaves decorators where they are, and does not run them. */
function requireNoDecorators(code: string, path: string): void {
  if (!code.includes("@")) return;
  try {
    parse(code, { ecmaVersion: "latest", sourceType: "module" });
  } catch (thrown) {
    const { pos, loc } = thrown as {
      readonly pos: number;
      readonly loc: { readonly line: number; readonly column: number };
    };
    if (code[pos] !== "@") return; // What is wrong with it is said where it is transformed.
    throw new SyntaxError(
      `${path}:${loc.line}:${loc.column + 1}: decorators cannot be explored without the project's own compiler: ` +
        "npm install -D typescript",
    );
  }
}

/** Takes types out; nothing moves. */
export function strip(source: string, path: string): string {
  return quietly(() => located(path, () => stripTypeScriptTypes(source, { mode: "strip" })));
}

function transformed(source: string, path: string): string {
  const sourceUrl = pathToFileURL(path).href;
  const output = quietly(() =>
    located(path, () => stripTypeScriptTypes(source, { mode: "transform", sourceMap: true, sourceUrl })),
  );
  const [, map = ""] = /\n\/\/# sourceMappingURL=data:application\/json;base64,(.*)\s*$/.exec(output) ?? [];
  return withLines(withoutTypeImports(output, path), Buffer.from(map, "base64").toString());
}

function compiled(source: string, path: string, compiler: Compiler): string {
  const { outputText, sourceMapText, diagnostics } = compiler.transpileModule(source, {
    fileName: path,
    reportDiagnostics: true,
    compilerOptions: {
      ...projectOptions(path),
      module: 99, // ESNext: modules stay modules
      target: 11, // ES2024: what this Node reads
      isolatedModules: true,
      preserveConstEnums: true,
      sourceMap: true,
    },
  });
  const wrong = diagnostics?.find(({ category }) => category === DIAGNOSTIC_ERROR);
  if (wrong !== undefined) {
    const before = source.slice(0, wrong.start ?? 0).split("\n");
    const text = typeof wrong.messageText === "string" ? wrong.messageText : wrong.messageText.messageText;
    throw new SyntaxError(`${path}:${before.length}:${before.at(-1)!.length + 1}: ${text}`);
  }
  return withLines(outputText, sourceMapText ?? "");
}

/** Those that change what a file does by itself. */
function projectOptions(path: string): object {
  const text = projectText(path);
  const has = (name: string): boolean => new RegExp(`"${name}"\\s*:\\s*true`).test(text);
  const [, jsxImportSource] = /"jsxImportSource"\s*:\s*"([^"]+)"/.exec(text) ?? [];
  return {
    experimentalDecorators: has("experimentalDecorators"),
    emitDecoratorMetadata: has("emitDecoratorMetadata"),
    verbatimModuleSyntax: has("verbatimModuleSyntax"),
    jsx: 4, // react-jsx
    ...(jsxImportSource === undefined ? {} : { jsxImportSource }),
  };
}

/** The nearest tsconfig.json; "" where there is none. */
export function projectText(path: string): string {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const file = join(folder, "tsconfig.json");
    if (existsSync(file)) return readFileSync(file, "utf8");
    if (folder === dirname(folder)) return "";
  }
}

/** The project's own compiler. */
function compilerOf(path: string): Compiler | undefined {
  try {
    return createRequire(path)("typescript") as Compiler;
  } catch {
    return undefined;
  }
}

/** Names that are imported and, types being gone, used nowhere: types, or nothing that would be missed. */
function withoutTypeImports(code: string, path: string): string {
  if (!code.includes("import") || /"verbatimModuleSyntax"\s*:\s*true/.test(projectText(path))) return code;
  const names = new Map<string, number>();
  let program;
  try {
    program = parse(code, {
      ecmaVersion: "latest",
      sourceType: "module",
      onToken: (token) => {
        const { type, value } = token as typeof token & { readonly value?: unknown };
        if (type === tokTypes.name) names.set(value as string, (names.get(value as string) ?? 0) + 1);
      },
    });
  } catch {
    return code; // What is wrong with it is said where it is transformed.
  }
  const output = new MagicString(code);
  for (const node of program.body) if (node.type === "ImportDeclaration") dropUnused(output, code, node, names);
  return output.toString();
}

function dropUnused(output: MagicString, code: string, node: ImportDeclaration, names: Map<string, number>): void {
  const [first] = node.specifiers;
  if (first === undefined) return;
  const used = node.specifiers.filter((specifier) => {
    const own =
      specifier.type === "ImportSpecifier" &&
      specifier.imported.type === "Identifier" &&
      specifier.imported.name === specifier.local.name &&
      specifier.imported.start !== specifier.local.start
        ? 2
        : 1;
    return (names.get(specifier.local.name) ?? 0) > own;
  });
  if (used.length === node.specifiers.length) return;
  const blank = (from: number, to: number): void => {
    if (to > from) output.update(from, to, code.slice(from, to).replace(/[^\n]/g, " "));
  };
  if (used.length === 0) return blank(node.start, node.end);
  const text = used.map(({ start, end, type }) => ({ type, text: code.slice(start, end) }));
  const named = text.filter(({ type }) => type === "ImportSpecifier").map((one) => one.text);
  const parts = text.filter(({ type }) => type !== "ImportSpecifier").map((one) => one.text);
  if (named.length > 0) parts.push(`{ ${named.join(", ")} }`);
  // From `import` to the last specifier and its brace; lines are kept.
  const end = code.lastIndexOf("from", node.source.start);
  const lines = code.slice(node.start, end).split("\n").length - 1;
  output.update(node.start, end, `import ${parts.join(", ")} ${"\n".repeat(lines)}`);
}

/** The code without its source map, and with a table: for each of its lines, the source's. */
function withLines(output: string, sourceMap: string): string {
  const code = output.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");
  if (sourceMap === "") return code;
  const map = new SourceMap(JSON.parse(sourceMap) as ConstructorParameters<typeof SourceMap>[0]);
  const lines = code.split("\n").map((text, line) => {
    const entry = map.findEntry(line, Math.max(0, text.length - 1));
    return "originalLine" in entry && entry.originalLine !== undefined ? entry.originalLine + 1 : 0;
  });
  return `${code}${LINES}${lines.join()}`;
}

/** The table of a code that `toJavaScript` made (0: no line of the source); null: its lines are the source's. */
export function linesOf(code: string): readonly number[] | null {
  const at = code.lastIndexOf(LINES);
  return at < 0 ? null : (code.slice(at + LINES.length).split("\n")[0] ?? "").split(",").map(Number);
}

/** Node warns that the function is experimental, which its own loading of TypeScript no longer does. */
function quietly<T>(run: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return run();
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Node's error about TypeScript has the line and a caret in its stack only: they go into the message. */
export function located<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const [, line = "", excerpt = ""] = /^[^\n]*:(\d+)\n([^]*?\^)/.exec(error.stack ?? "") ?? [];
    const column = excerpt.length - excerpt.lastIndexOf("\n") - 1;
    const place = line === "" ? path : `${path}:${line}:${column}`;
    const { code } = error as NodeJS.ErrnoException;
    throw Object.assign(
      new SyntaxError(`${place}: ${error.message}`, { cause: error }),
      code === undefined ? {} : { code },
    );
  }
}
