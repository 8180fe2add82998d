/** What `ls` shows of a store. */
import { join } from "node:path";
import { isLockstepError } from "../../base/index.ts";
import { onDisk } from "./disk-errors.ts";
import type { FileSystem } from "./file-system.ts";
import { readManifest } from "./version-folder.ts";

export interface StoredVersion {
  readonly name: string;
  readonly aliases: readonly string[];
  /** Milliseconds since 1970: when its folder was written. */
  readonly createdAt: number;
  /** Of its files, by its manifest. */
  readonly bytes: number;
  /** Why its manifest cannot be used; absent for a sound one. (The other files are checked by `open`.) */
  readonly problem?: string;
}

export async function listVersions(
  fs: FileSystem,
  folder: string,
  names: readonly string[],
  aliases: ReadonlyMap<string, string>,
): Promise<StoredVersion[]> {
  const versions: StoredVersion[] = [];
  for (const name of names) {
    const info = await onDisk("look at", join(folder, name), () => fs.info(join(folder, name)));
    if (info === undefined) continue; // removed since it was listed
    const own = [...aliases].filter(([, version]) => version === name).map(([alias]) => alias);
    versions.push({ name, aliases: own, createdAt: info.modified, ...(await sizeOf(fs, join(folder, name), name)) });
  }
  return versions.sort((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1));
}

async function sizeOf(
  fs: FileSystem,
  folder: string,
  name: string,
): Promise<{ readonly bytes: number; readonly problem?: string }> {
  try {
    const { files } = await readManifest(fs, folder, name);
    return { bytes: Object.values(files).reduce((sum, file) => sum + file.bytes, 0) };
  } catch (error) {
    if (isLockstepError(error) && error.code === "VERSION_CORRUPT") return { bytes: 0, problem: error.message };
    throw error;
  }
}
