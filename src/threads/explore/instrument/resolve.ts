/**
 * Where an import leads in an ordinary TypeScript project: `./bank.js` may be bank.ts, `./bank` too, `./bank` a folder
 * with an index, `@app/bank` what tsconfig.json maps it to. Only imports from outside of `node_modules`; what Node
 * finds by itself stays as it is, but for a TypeScript file beside the JavaScript that was compiled from it.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const SOURCES: Readonly<Record<string, readonly string[]>> = {
  ".js": [".ts", ".tsx"],
  ".jsx": [".tsx"],
  ".mjs": [".mts"],
  ".cjs": [".cts"],
};
const ENDINGS = [".ts", ".tsx", ".mts", ".cts", ".js", ".mjs", ".cjs", ".jsx", ".json"];

/** The URL of the file that is meant, or null: let Node say. */
export function resolveAsTypeScript(specifier: string, parent: string | undefined): string | null {
  if (parent === undefined || !parent.startsWith("file:") || parent.includes("/node_modules/")) return null;
  const from = fileURLToPath(parent.replace(/[?#].*$/, ""));
  const relative = /^(?:\.{1,2}(?:\/|$)|\/|file:)/.test(specifier);
  if (!relative) return /^(?:[a-z]+:|#)/.test(specifier) ? null : url(mapped(specifier, from));
  const target = specifier.startsWith("file:") ? fileURLToPath(specifier) : resolve(dirname(from), specifier);
  const typescript = /\.[cm]?tsx?$/.test(from);
  if (isFile(target) && !typescript) return null;
  return url(fileOf(target));
}

/** The file that a path without, or with another, ending means. */
function fileOf(target: string): string | null {
  const [ending = ""] = /\.[cm]?jsx?$/.exec(target) ?? [];
  for (const other of SOURCES[ending] ?? [])
    if (isFile(target.slice(0, -ending.length) + other)) return target.slice(0, -ending.length) + other;
  if (isFile(target)) return null;
  for (const other of ENDINGS) if (isFile(target + other)) return target + other;
  for (const other of ENDINGS) if (isFile(join(target, `index${other}`))) return join(target, `index${other}`);
  return null;
}

/** What `paths` (or `baseUrl`) of the nearest tsconfig.json makes of a bare specifier. */
function mapped(specifier: string, from: string): string | null {
  const project = projectOf(dirname(from));
  if (project === null) return null;
  const { base, paths } = project;
  const candidates = Object.entries(paths).flatMap(([pattern, targets]) => {
    const [before = "", after] = pattern.split("*");
    if (after === undefined) return pattern === specifier ? targets : [];
    if (!specifier.startsWith(before) || !specifier.endsWith(after)) return [];
    const rest = specifier.slice(before.length, specifier.length - after.length);
    return targets.map((target) => target.replace("*", rest));
  });
  for (const candidate of candidates) {
    const target = resolve(base, candidate);
    const file = fileOf(target) ?? (isFile(target) ? target : null);
    if (file !== null) return file;
  }
  return null;
}

interface Project {
  readonly base: string;
  readonly paths: Readonly<Record<string, readonly string[]>>;
}

function projectOf(folder: string): Project | null {
  const file = join(folder, "tsconfig.json");
  if (!existsSync(file)) return folder === dirname(folder) ? null : projectOf(dirname(folder));
  try {
    const { compilerOptions = {} } = JSON.parse(plainJson(readFileSync(file, "utf8"))) as {
      compilerOptions?: { baseUrl?: string; paths?: Record<string, string[]> };
    };
    return { base: resolve(folder, compilerOptions.baseUrl ?? "."), paths: compilerOptions.paths ?? {} };
  } catch {
    return null; // It maps nothing that could be read; Node's own error names the import.
  }
}

/** Without comments and trailing commas, both of which tsconfig.json may have. */
function plainJson(text: string): string {
  return text
    .replace(/("(?:[^"\\]|\\.)*")|\/\/[^\n]*|\/\*[^]*?\*\//g, (_, string: string | undefined) => string ?? "")
    .replace(/("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])/g, (_, string: string | undefined) => string ?? "");
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function url(path: string | null): string | null {
  return path === null ? null : pathToFileURL(path).href;
}
