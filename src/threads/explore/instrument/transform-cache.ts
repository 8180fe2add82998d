/**
 * Transformed sources kept beside Node's own compile cache, where that is on (`NODE_COMPILE_CACHE`,
 * `module.enableCompileCache`): every explored thread of every exploration needs the same ones. Named by what they were
 * made from, so an entry is right or absent.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { getCompileCacheDir } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { threadId } from "node:worker_threads";
import { makeFolder } from "../../../base/index.ts";

const EXTENSION = import.meta.url.slice(import.meta.url.lastIndexOf("."));

/** `make()`, or what it gave before for the same source, path and format. */
export function cachedTransform(source: string, path: string, format: string, make: () => string): string {
  const folder = cacheFolder();
  if (folder === null) return make();
  const file = join(folder, createHash("sha256").update(`${format}\0${path}\0`).update(source).digest("hex"));
  try {
    return readFileSync(file, "utf8");
  } catch {
    const text = make();
    keep(file, text);
    return text;
  }
}

let known: string | null | undefined;

/** One for each form of the transform: what this folder makes of a source depends on all of its files. */
function cacheFolder(): string | null {
  if (known !== undefined) return known;
  const base = getCompileCacheDir();
  if (base === undefined) return (known = null);
  const folder = dirname(fileURLToPath(import.meta.url));
  const form = createHash("sha256");
  for (const name of readdirSync(folder).sort())
    if (name.endsWith(EXTENSION)) form.update(readFileSync(join(folder, name)));
  return (known = join(base, `lockstep-${form.digest("hex").slice(0, 16)}`));
}

/** A cache that cannot be written is none. */
function keep(file: string, text: string): void {
  try {
    makeFolder(dirname(file));
    const temporary = `${file}.${process.pid}.${threadId}`;
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  } catch {
    known = null;
  }
}
