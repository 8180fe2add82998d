/**
 * The module-load hook of exploring threads: sources pass through `transform` on their way to the engine. Only what is loaded after it is
 * transformed, so whatever the explorer itself needs of the code under exploration has to come later too.
 */
import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import { transform, type SourceFormat } from "./transform.ts";

export interface LoadHookOptions {
  /** Which `file:` URLs are transformed. @default `isExplored` */
  readonly include?: (url: string) => boolean;
}

const EXPLORER = new URL("../", import.meta.url).href;
const PACKAGE = new URL("../../../../", import.meta.url).href;
const SOURCE = /\.[cm]?[jt]s$/;
const FORMATS: Readonly<Record<string, { readonly format: "module" | "commonjs"; readonly types: boolean }>> = {
  "module": { format: "module", types: false },
  "module-typescript": { format: "module", types: true },
  "commonjs": { format: "commonjs", types: false },
  "commonjs-typescript": { format: "commonjs", types: true },
};

/** Everything of the user's and of this package, wherever it is installed; no other package's files, and not the explorer's own. */
export function isExplored(url: string): boolean {
  if (url.startsWith(EXPLORER)) return false;
  return !(url.startsWith(PACKAGE) ? url.slice(PACKAGE.length - 1) : url).includes("/node_modules/");
}

/** Transforms modules that this thread loads from now on. A file that cannot be read as JavaScript or TypeScript is a `SyntaxError` with its path and line. */
export function installLoadHook({ include = isExplored }: LoadHookOptions = {}): void {
  registerHooks({
    load(url, context, nextLoad) {
      const file = url.replace(/[?#].*$/, "");
      if (!file.startsWith("file:") || !SOURCE.test(file) || !include(url)) return nextLoad(url, context);
      const loaded = nextLoad(url, context);
      const kind = FORMATS[loaded.format ?? ""];
      if (kind === undefined) return loaded;
      const path = fileURLToPath(file);
      const source = loaded.source === undefined || loaded.source === null ? readFileSync(path, "utf8") : textOf(loaded.source);
      return { format: kind.format, source: transformFile(source, path, kind.types, kind.format), shortCircuit: true };
    },
  });
}

/** One file's text as it is run in exploration. `types`: it is TypeScript. */
export function transformFile(source: string, path: string, types: boolean, format?: SourceFormat): string {
  return transform(types ? stripTypes(source, path) : source, path, format);
}

function textOf(source: string | ArrayBuffer | NodeJS.TypedArray): string {
  return typeof source === "string" ? source : new TextDecoder().decode(source);
}

/** Types become spaces, so positions stay. Node warns that this is experimental, which its own loading of TypeScript no longer does. */
function stripTypes(source: string, path: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(source, { mode: "strip" });
  } catch (error) {
    throw new SyntaxError(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    process.emitWarning = emitWarning;
  }
}
