/** One text for one value, and its SHA-256: what recipes, versions, profiles and receipts are named by. */
import { createHash } from "node:crypto";
import { LockstepError } from "./errors.ts";

/**
 * JSON with object keys sorted by UTF-16 code unit and no white space. Only null, booleans, finite numbers, strings,
 * arrays and plain objects: anything that JSON would drop or change in silence (NaN, undefined, a Date, a Map, a cycle)
 * is INPUT_INVALID with its path. Minus zero is written as 0.
 */
export function canonicalJson(value: unknown): string {
  return write(value, "$", new Set());
}

function write(value: unknown, path: string, above: Set<object>): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" && Number.isFinite(value)) return JSON.stringify(value);
  if (typeof value !== "object") throw refused(typeof value === "number" ? String(value) : typeof value, path);
  if (above.has(value)) throw refused("a cycle", path);
  above.add(value);
  const text = Array.isArray(value) ? writeArray(value, path, above) : writeObject(value, path, above);
  above.delete(value);
  return text;
}

function writeArray(value: readonly unknown[], path: string, above: Set<object>): string {
  // Array.from visits the holes of a sparse array too, and they are refused as undefined.
  return `[${Array.from(value, (item, i) => write(item, `${path}[${i}]`, above)).join(",")}]`;
}

function writeObject(value: object, path: string, above: Set<object>): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw refused(`a ${value.constructor.name}`, path);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${write(item, `${path}.${key}`, above)}`).join(",")}` + "}"
  );
}

function refused(what: string, path: string): LockstepError {
  return new LockstepError(
    "INPUT_INVALID",
    `${what} at ${path} has no canonical JSON; use null, a finite number, a string, an array or a plain object`,
    { path },
  );
}

/**
 * SHA-256 over the parts one after another (strings as UTF-8), in hex. Lengths are not part of it: separate what could
 * run together.
 */
export function sha256Hex(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
