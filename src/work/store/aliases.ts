/** Movable names for versions: one small file each, replaced atomically. */
import { join } from "node:path";
import { LockstepError } from "../../base/index.ts";
import { replaceFile } from "./durable.ts";
import { onDisk } from "./disk-errors.ts";
import type { FileSystem } from "./file-system.ts";
import { isAlias, isVersionName } from "./names.ts";
import { isMissing } from "./node-file-system.ts";
import { temporaryName } from "./temporary.ts";

const MAX_ALIASES = 10_000;
const MAX_BYTES = 1024;

/** Every alias with the version it names, sorted. Files that are not ours (such as .DS_Store) are passed over. */
export async function readAliases(fs: FileSystem, folder: string): Promise<ReadonlyMap<string, string>> {
  const aliases = new Map<string, string>();
  for (const name of await onDisk("list", folder, () => fs.list(folder, MAX_ALIASES))) {
    const version = isAlias(name) ? await readAlias(fs, folder, name) : undefined;
    if (version !== undefined) aliases.set(name, version);
  }
  return aliases;
}

/** The version that `alias` names, or undefined when there is no such alias. */
export async function readAlias(fs: FileSystem, folder: string, alias: string): Promise<string | undefined> {
  const path = join(folder, alias);
  const damaged = (): LockstepError =>
    new LockstepError("STORE_CORRUPT", `${path} does not hold the name of a version; set the alias again`, { alias });
  let bytes: Uint8Array;
  try {
    bytes = await fs.readFile(path, {
      inspect: (info) => {
        if (info.kind !== "file" || info.bytes > MAX_BYTES) throw damaged();
      },
    });
  } catch (error) {
    if (isMissing(error)) return undefined;
    return await onDisk("read", path, () => Promise.reject(error));
  }
  const text = new TextDecoder().decode(bytes).trimEnd();
  if (!isVersionName(text)) throw damaged();
  return text;
}

export async function writeAlias(
  fs: FileSystem,
  temporary: string,
  folder: string,
  alias: string,
  version: string,
): Promise<void> {
  const path = join(folder, alias);
  await onDisk("write the alias", path, () =>
    replaceFile(fs, join(temporary, temporaryName()), path, [new TextEncoder().encode(`${version}\n`)]),
  );
}

export async function removeAlias(fs: FileSystem, folder: string, alias: string): Promise<void> {
  const path = join(folder, alias);
  await onDisk("remove the alias", path, async () => {
    await fs.remove(path);
    await fs.syncFolder(folder);
  });
}
