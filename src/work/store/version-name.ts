/** The name that files would have as a version, without a store: what `Store.publish` would answer. */
import { hashOf } from "./durable.ts";
import { makeManifest, type FileDigest } from "./manifest.ts";

/**
 * SHA-256 (hex) of the manifest of exactly these files. @throws INPUT_INVALID, INPUT_TOO_LARGE: a name or a number of
 * files that no version has
 */
export async function versionName(files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const digests = new Map<string, FileDigest>();
  for (const [name, bytes] of files) digests.set(name, { sha256: await hashOf(bytes), bytes: bytes.length });
  return makeManifest(digests).name;
}
