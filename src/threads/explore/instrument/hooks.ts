/**
 * The module-load hook of exploring threads: sources pass through `transform` on their way to the engine. Only what is
 * loaded after it is transformed, so whatever the explorer itself needs of the code under exploration has to come later
 * too.
 */
import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import { cachedTransform } from "./transform-cache.ts";
import { transform } from "./transform.ts";

export interface LoadHookOptions {
  /** Which `file:` URLs are transformed. @default `isExplored` */
  readonly include?: (url: string) => boolean;
}

const PACKAGE = new URL("../../../../", import.meta.url).href;
const EXPLORER = new URL("../", import.meta.url).href.slice(PACKAGE.length);
const SOURCE = /\.[cm]?[jt]s$/;
const FORMATS: Readonly<Record<string, { readonly format: "module" | "commonjs"; readonly types: boolean }>> = {
  module: { format: "module", types: false },
  "module-typescript": { format: "module", types: true },
  commonjs: { format: "commonjs", types: false },
  "commonjs-typescript": { format: "commonjs", types: true },
};

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

/**
 * Transforms modules that this thread loads from now on. A file that cannot be read as JavaScript or TypeScript is a
 * `SyntaxError` with its path and line.
 */
export function installLoadHook({ include = isExplored }: LoadHookOptions = {}): void {
  registerHooks({
    load(url, context, nextLoad) {
      const file = url.replace(/[?#].*$/, "");
      if (!file.startsWith("file:") || !SOURCE.test(file) || !include(url)) return nextLoad(url, context);
      const path = fileURLToPath(file);
      // it reads TypeScript to find out what kind of module it is
      const loaded = located(path, () => nextLoad(url, context));
      const kind = FORMATS[loaded.format ?? ""];
      if (kind === undefined) return loaded;
      const source =
        loaded.source === undefined || loaded.source === null ? readFileSync(path, "utf8") : textOf(loaded.source);
      return {
        format: kind.format,
        source: cachedTransform(source, path, loaded.format ?? "", () =>
          transform(kind.types ? stripTypes(source, path) : source, path, kind.format),
        ),
        shortCircuit: true,
      };
    },
  });
}

function textOf(source: string | ArrayBuffer | NodeJS.TypedArray): string {
  return typeof source === "string" ? source : new TextDecoder().decode(source);
}

/**
 * Types become spaces, so positions stay. Node warns that the function is experimental, which its own loading of
 * TypeScript no longer does.
 */
export function stripTypes(source: string, path: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return located(path, () => stripTypeScriptTypes(source, { mode: "strip" }));
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Node's error about TypeScript has the line and a caret in its stack only: they go into the message. */
function located<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const [, line = "", excerpt = ""] = /^[^\n]*:(\d+)\n([^]*?\^)/.exec(error.stack ?? "") ?? [];
    const column = excerpt.length - excerpt.lastIndexOf("\n") - 1;
    throw new SyntaxError(`${line === "" ? path : `${path}:${line}:${column}`}: ${error.message}`, { cause: error });
  }
}
