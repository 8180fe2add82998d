/**
 * The module-load hook of exploring threads: sources pass through `transform` on their way to the engine. Only what is
 * loaded after it is transformed, so whatever the explorer itself needs of the code under exploration has to come later
 * too.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { parse } from "acorn";
import { resolveAsTypeScript } from "./resolve.ts";
import { cachedTransform } from "./transform-cache.ts";
import { transform } from "./transform.ts";
import { linesOf, located, projectText, toJavaScript } from "./typescript.ts";

export interface LoadHookOptions {
  /** Which `file:` URLs are transformed. @default `isExplored` */
  readonly include?: (url: string) => boolean;
  /** Whether accesses are made visible; else only what is TypeScript is made JavaScript. @default true */
  readonly accesses?: boolean;
}

const PACKAGE = new URL("../../../../", import.meta.url).href;
/** Sources, or what was built of them. */
const OWN = new URL("../../../", import.meta.url).href;
const EXPLORER = new URL("../", import.meta.url).href.slice(PACKAGE.length);
const SOURCE = /\.[cm]?[jt]sx?$/;
const TYPESCRIPT = /\.[cm]?tsx?$/;
const FORMATS: Readonly<Record<string, "module" | "commonjs">> = { module: "module", commonjs: "commonjs" };

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
}: LoadHookOptions = {}): () => void {
  const hooks = registerHooks({
    resolve(specifier, context, nextResolve) {
      const { parentURL, conditions } = context;
      const found =
        parentURL === undefined || parentURL.startsWith(OWN) ? null : resolveAsTypeScript(specifier, parentURL);
      if (found === null) return nextResolve(specifier, context);
      return nextResolve(conditions.includes("require") ? fileURLToPath(found) : found, context);
    },
    load(url, context, nextLoad) {
      const file = url.replace(/[?#].*$/, "");
      if (!file.startsWith("file:") || !include(url)) return nextLoad(url, context);
      // TypeScript takes JSON without being told that it is JSON.
      if (file.endsWith(".json")) return nextLoad(url, { ...context, importAttributes: { type: "json" } });
      if (!SOURCE.test(file)) return nextLoad(url, context);
      const path = fileURLToPath(file);
      if (TYPESCRIPT.test(file)) return loadTypeScript(path, url, context.format ?? "", accesses);
      if (!accesses) return nextLoad(url, context);
      const loaded = located(path, () => nextLoad(url, context));
      const format = FORMATS[loaded.format ?? ""];
      if (format === undefined) return loaded;
      const source =
        loaded.source === undefined || loaded.source === null ? readFileSync(path, "utf8") : textOf(loaded.source);
      return {
        format,
        source: cachedTransform(source, path, format, () => transform(source, path, format)),
        shortCircuit: true,
      };
    },
  });
  return () => {
    hooks.deregister();
  };
}

/** Without asking Node, which takes no more of TypeScript than types. */
function loadTypeScript(path: string, url: string, hint: string, accesses: boolean) {
  const text = readFileSync(path, "utf8");
  const key = `${hint} ${accesses ? "accesses" : "plain"}\0${projectText(path)}`;
  const source = cachedTransform(text, path, key, () => {
    const code = toJavaScript(text, path);
    return accesses ? transform(code, path, formatOf(code, path, hint)) : code;
  });
  const lines = linesOf(source);
  if (lines !== null) movedLines.set(url, lines);
  return { format: formatOf(source, path, hint), source, shortCircuit: true };
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
