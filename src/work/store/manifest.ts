/**
 * What a version consists of: each file's SHA-256 and length. The file `manifest.json` holds exactly the canonical
 * JSON, so the version's name is simply the SHA-256 of that file's bytes, and two spellings of one manifest cannot
 * exist.
 */
import { z } from "zod";
import { canonicalJson, LockstepError, sha256Hex } from "../../base/index.ts";
import { isFileName, requireFileName } from "./names.ts";

export const MAX_FILES = 64;
export const MAX_MANIFEST_BYTES = 1024 * 1024;

const manifestSchema = z.strictObject({
  format: z.literal(1),
  files: z.record(
    z.string().refine(isFileName, "not a name that a file of a version may have"),
    z.strictObject({
      bytes: z.int().min(0),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});

export type Manifest = z.output<typeof manifestSchema>;
export interface FileDigest {
  readonly sha256: string;
  readonly bytes: number;
}

export interface NamedManifest {
  /** SHA-256 of `bytes`, in hex. */
  readonly name: string;
  readonly manifest: Manifest;
  /** What is written to manifest.json. */
  readonly bytes: Uint8Array;
}

/** Before anything is written: these names become paths. */
export function requireFiles(names: readonly string[]): void {
  if (names.length === 0) throw new LockstepError("INPUT_INVALID", "a version needs at least one file");
  if (names.length > MAX_FILES)
    throw new LockstepError("INPUT_TOO_LARGE", `a version has at most ${MAX_FILES} files; here are ${names.length}`);
  names.forEach(requireFileName);
}

export function makeManifest(digests: ReadonlyMap<string, FileDigest>): NamedManifest {
  requireFiles([...digests.keys()]);
  const manifest: Manifest = {
    format: 1,
    files: Object.fromEntries([...digests].map(([name, { sha256, bytes }]) => [name, { sha256, bytes }])),
  };
  const bytes = new TextEncoder().encode(canonicalJson(manifest));
  return { name: sha256Hex(bytes), manifest, bytes };
}

/** The manifest of the version called `name`, or VERSION_CORRUPT. */
export function parseManifest(bytes: Uint8Array, name: string): Manifest {
  const actual = sha256Hex(bytes);
  if (actual !== name) throw corrupt(name, "manifest.json", `its SHA-256 is ${actual}, not the version's name`);
  // From here on the bytes are those that were named; they may still have been named by something that is not us.
  const parsed = manifestSchema.safeParse(parseJson(bytes));
  if (!parsed.success)
    throw corrupt(
      name,
      "manifest.json",
      `it is not a manifest of format 1 (${parsed.error.issues[0]?.message ?? "unknown"})`,
    );
  return parsed.data;
}

export function corrupt(version: string, file: string, why: string): LockstepError {
  return new LockstepError(
    "VERSION_CORRUPT",
    `version ${version} is corrupt: ${file}: ${why}. Publish it again, or restore it from a copy`,
    { version, file },
  );
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined; // refused by the schema just after
  }
}
