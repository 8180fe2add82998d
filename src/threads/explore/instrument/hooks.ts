/**
 * The module-load hook of exploring threads: sources pass through `transform` on their way to the engine. Only what is
 * loaded after it is transformed, so whatever the explorer itself needs of the code under exploration has to come later
 * too.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { parse } from "acorn";
import { installBranches, tableOf, type FileHits, type Point } from "./branches.ts";
import { resolveAsTypeScript } from "./resolve.ts";
import { cachedTransform } from "./transform-cache.ts";
import { transform } from "./transform.ts";
import { linesOf, located, projectText, toJavaScript } from "./typescript.ts";

export interface LoadHookOptions {
  /** Which `file:` URLs are transformed. @default `isExplored` */
  readonly include?: (url: string) => boolean;
  /** Whether accesses are made visible; else only what is TypeScript is made JavaScript. @default true */
  readonly accesses?: boolean;
  /** Told the name of each package that is loaded as it is, or what else is; more than once, perhaps. */
  readonly onUnwatched?: (what: string) => void;
  /** Of files under this folder's URL, but not of packages in it, branches are noted. @default none */
  readonly root?: string | null;
  /** Told of each of them before it runs. */
  readonly onFile?: (hits: FileHits) => void;
}

const PACKAGE = new URL("../../../../", import.meta.url).href;
/** Sources, or what was built of them. */
const OWN = new URL("../../../", import.meta.url).href;
const EXPLORER = new URL("../", import.meta.url).href.slice(PACKAGE.length);
const SOURCE = /\.[cm]?[jt]sx?$/;
const TYPESCRIPT = /\.[cm]?tsx?$/;
const FORMATS: Readonly<Record<string, "module" | "commonjs">> = { module: "module", commonjs: "commonjs" };

/** What this folder uses of packages: loaded before the hook, so that their loading by others is not seen. */
const LOADED_BEFORE = /\/node_modules\/(?:acorn|magic-string|@jridgewell\/sourcemap-codec)\/(?!.*\/node_modules\/)/;

/** For each file whose lines could not be kept: the source's line of each of its lines. */
const movedLines = new Map<string, readonly number[]>();

/** The line of the source, for a line of what was loaded. */
export function sourceLine(url: string, line: number): number {
  return movedLines.get(url)?.[line - 1] ?? line;
}

/**
 * Everything of the user's and of the package at `root`, wherever that is installed; no other package's files, and not
 * the explorer's own.
 */
export function exploredAround(root: string): (url: string) => boolean {
  return (url) => {
    if (!url.startsWith(root)) return !url.includes("/node_modules/");
    const path = url.slice(root.length);
    return !path.startsWith(EXPLORER) && !`/${path}`.includes("/node_modules/");
  };
}

export const isExplored = exploredAround(PACKAGE);

/** Of the user's own, for threads that run no explored code. */
const isUsers = (url: string): boolean => !url.startsWith(OWN) && !url.includes("/node_modules/");

/**
 * Transforms modules that this thread loads from now on, and finds them as TypeScript does. A file that cannot be read
 * as JavaScript or TypeScript is a `SyntaxError` with its path and line. Returns what ends it.
 */
export function installLoadHook({
  accesses = true,
  include = accesses ? isExplored : isUsers,
  onUnwatched = () => {},
  root = null,
  onFile = () => {},
}: LoadHookOptions = {}): () => void {
  const hooks = registerHooks({
    resolve(specifier, context, nextResolve) {
      const { parentURL, conditions } = context;
      const found =
        parentURL === undefined || parentURL.startsWith(OWN) ? null : resolveAsTypeScript(specifier, parentURL);
      if (found === null) {
        const resolved = nextResolve(specifier, context);
        const fromExplorer = parentURL?.startsWith(PACKAGE + EXPLORER) === true;
        if (!fromExplorer && LOADED_BEFORE.test(resolved.url)) onUnwatched(packageOf(resolved.url));
        return resolved;
      }
      return nextResolve(conditions.includes("require") ? fileURLToPath(found) : found, context);
    },
    load(url, context, nextLoad) {
      const file = url.replace(/[?#].*$/, "");
      if (file.startsWith("data:")) onUnwatched("code in a data: URL");
      if (!file.startsWith("file:")) return nextLoad(url, context);
      if (!include(url)) {
        if (file.includes("/node_modules/") && SOURCE.test(file)) onUnwatched(packageOf(file));
        return nextLoad(url, context);
      }
      // TypeScript takes JSON without being told that it is JSON.
      if (file.endsWith(".json")) return nextLoad(url, { ...context, importAttributes: { type: "json" } });
      if (!SOURCE.test(file)) return nextLoad(url, context);
      const path = fileURLToPath(file);
      const branches = accesses && root !== null && url.startsWith(root) && !url.includes("/node_modules/");
      if (TYPESCRIPT.test(file)) {
        const loaded = loadTypeScript(path, url, { hint: context.format ?? "", accesses, branches });
        if (branches) noteBranches(path, url, loaded.source, onFile);
        return loaded;
      }
      if (!accesses) return nextLoad(url, context);
      const loaded = located(path, () => nextLoad(url, context));
      const format = FORMATS[loaded.format ?? ""];
      if (format === undefined) return loaded;
      const source =
        loaded.source === undefined || loaded.source === null ? readFileSync(path, "utf8") : textOf(loaded.source);
      const key = branches ? `${format} branches` : format;
      const code = cachedTransform(source, path, key, () => transform(source, path, format, { branches }));
      if (branches) noteBranches(path, url, code, onFile);
      return { format, source: code, shortCircuit: true };
    },
  });
  return () => {
    hooks.deregister();
  };
}

/** The innermost package that a file belongs to. */
function packageOf(url: string): string {
  const inside = url.slice(url.lastIndexOf("/node_modules/") + "/node_modules/".length).split("/");
  return inside.slice(0, inside[0]!.startsWith("@") ? 2 : 1).join("/");
}

interface TypeScriptLoad {
  readonly hint: string;
  readonly accesses: boolean;
  readonly branches: boolean;
}

/** Without asking Node, which takes no more of TypeScript than types. */
function loadTypeScript(path: string, url: string, { hint, accesses, branches }: TypeScriptLoad) {
  const text = readFileSync(path, "utf8");
  const key = `${hint} ${accesses ? "accesses" : "plain"}${branches ? " branches" : ""}\0${projectText(path)}`;
  const source = cachedTransform(text, path, key, () => {
    const code = toJavaScript(text, path);
    return accesses ? transform(code, path, formatOf(code, path, hint), { branches }) : code;
  });
  const lines = linesOf(source);
  if (lines !== null) movedLines.set(url, lines);
  return { format: formatOf(source, path, hint), source, shortCircuit: true };
}

/** The file's functions have to be there before it runs; the lines of its points are the source's. */
function noteBranches(path: string, url: string, code: string, onFile: (hits: FileHits) => void): void {
  const found = tableOf(code);
  if (found === null) return;
  const moved = movedLines.get(url);
  const table =
    moved === undefined
      ? found.table
      : JSON.stringify(
          (JSON.parse(found.table) as Point[]).map((point) => ({ ...point, line: moved[point.line - 1] })),
        );
  onFile(installBranches(path, found.count, table));
}

/** By its ending, by its package, or, as Node does where neither says, by what it is. */
function formatOf(code: string, path: string, hint: string): "module" | "commonjs" {
  if (path.endsWith(".mts") || hint.startsWith("module")) return "module";
  try {
    parse(code, { ecmaVersion: "latest", sourceType: "commonjs" });
    return "commonjs";
  } catch {
    return "module";
  }
}

function textOf(source: string | ArrayBuffer | NodeJS.TypedArray): string {
  return typeof source === "string" ? source : new TextDecoder().decode(source);
}
