/** One version as a folder: written so that it appears whole or not at all, and read so that every byte is checked. */
import { dirname, join } from "node:path";
import { isLockstepError, LockstepError } from "../../base/index.ts";
import { hashOf, makeFolder, orRemove, piecesOf, writeHashed, writeSynced } from "./durable.ts";
import { onDisk } from "./disk-errors.ts";
import type { FileInfo, FileSystem } from "./file-system.ts";
import {
  corrupt,
  makeManifest,
  MAX_MANIFEST_BYTES,
  parseManifest,
  type FileDigest,
  type Manifest,
} from "./manifest.ts";
import { MANIFEST_FILE } from "./names.ts";
import { codeOf, isMissing } from "./node-file-system.ts";
import { temporaryName } from "./temporary.ts";

/** A version in memory. What was hashed is the very buffer that is in `files`. */
export interface NamedFiles {
  /** SHA-256 of the manifest, in hex. */
  readonly name: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Where a file's bytes go; for weights this may be shared memory. */
export type Allocate = (file: string, bytes: number) => Uint8Array;

/** Writes `files` under `versions`, by way of a folder in `temporary`. Returns the version's name. */
export async function writeVersion(
  fs: FileSystem,
  temporary: string,
  versions: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<string> {
  const folder = join(temporary, temporaryName());
  return await onDisk("write the version", versions, () =>
    orRemove(fs, folder, async () => {
      const name = await writeContents(fs, folder, files);
      const target = join(versions, name);
      await moveInto(fs, folder, target, name);
      await requireComplete(fs, target, name);
      return name;
    }),
  );
}

async function writeContents(fs: FileSystem, folder: string, files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  await fs.makeFolder(folder);
  const digests = new Map<string, FileDigest>();
  const folders = new Set<string>();
  for (const [name, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const path = join(folder, name);
    if (dirname(path) !== folder && !folders.has(dirname(path))) {
      await makeFolder(fs, dirname(path));
      folders.add(dirname(path));
    }
    digests.set(name, await writeHashed(fs, path, piecesOf(bytes)));
  }
  const { name, bytes } = makeManifest(digests);
  await writeSynced(fs, join(folder, MANIFEST_FILE), [bytes]);
  for (const inner of folders) await fs.syncFolder(inner);
  await fs.syncFolder(folder);
  return name;
}

/** The version may be there already, whole or damaged; only a whole one may stay. */
async function moveInto(fs: FileSystem, folder: string, target: string, name: string): Promise<void> {
  if ((await fs.info(target)) === undefined && (await renamed(fs, folder, target))) return;
  if (await isWhole(fs, target, name)) {
    await fs.remove(folder);
    // Another process may have renamed it and not yet synced; success is promised here too.
    await fs.syncFolder(dirname(target));
    return;
  }
  const damaged = join(dirname(folder), temporaryName());
  await fs.rename(target, damaged);
  await fs.rename(folder, target);
  await fs.syncFolder(dirname(target));
  await fs.remove(damaged);
}

/** Once more, by names and sizes: whatever went wrong meanwhile, a version that is not whole is no success. */
async function requireComplete(fs: FileSystem, folder: string, name: string): Promise<void> {
  const { files } = await readManifest(fs, folder, name);
  for (const [file, { bytes }] of Object.entries(files)) {
    const info = await fs.info(join(folder, file));
    if (info?.kind !== "file" || info.bytes !== bytes)
      throw corrupt(name, file, "it was changed or removed while the version was written; publish it again");
  }
}

/** False when another writer was faster. */
async function renamed(fs: FileSystem, folder: string, target: string): Promise<boolean> {
  try {
    await fs.rename(folder, target);
  } catch (error) {
    if (["ENOTEMPTY", "EEXIST"].includes(codeOf(error) ?? "")) return false;
    throw error;
  }
  await fs.syncFolder(dirname(target));
  return true;
}

async function isWhole(fs: FileSystem, folder: string, name: string): Promise<boolean> {
  try {
    await readVersionFolder(fs, folder, name);
    return true;
  } catch (error) {
    if (isLockstepError(error) && error.code === "VERSION_CORRUPT") return false;
    throw error;
  }
}

/** Every byte of the version, checked against the manifest; VERSION_CORRUPT names the file that differs. */
export async function readVersionFolder(
  fs: FileSystem,
  folder: string,
  name: string,
  allocate?: Allocate,
): Promise<NamedFiles> {
  const manifest = await readManifest(fs, folder, name);
  const files = new Map<string, Uint8Array>();
  for (const [file, expected] of Object.entries(manifest.files))
    files.set(file, await readChecked(fs, folder, name, file, expected, allocate));
  return { name, files };
}

/** The manifest alone: cheap, and says nothing about the other files. */
export async function readManifest(fs: FileSystem, folder: string, name: string): Promise<Manifest> {
  const bytes = await readOr(name, MANIFEST_FILE, () =>
    fs.readFile(join(folder, MANIFEST_FILE), {
      inspect: (info) => {
        if (info.kind !== "file" || info.bytes > MAX_MANIFEST_BYTES)
          throw corrupt(name, MANIFEST_FILE, "it is not a small file");
      },
    }),
  );
  return parseManifest(bytes, name);
}

async function readChecked(
  fs: FileSystem,
  folder: string,
  version: string,
  file: string,
  expected: FileDigest,
  allocate?: Allocate,
): Promise<Uint8Array> {
  const inspect = (info: FileInfo): void => {
    if (info.kind !== "file") throw corrupt(version, file, "it is not a regular file");
    if (info.bytes !== expected.bytes)
      throw corrupt(version, file, `it has ${info.bytes} bytes, not ${expected.bytes}`);
  };
  const bytes = await readOr(version, file, () =>
    fs.readFile(join(folder, file), {
      inspect,
      ...(allocate === undefined ? {} : { allocate: (length: number) => allocate(file, length) }),
    }),
  );
  if (bytes.length !== expected.bytes)
    throw new LockstepError(
      "INTERNAL",
      `the memory given for ${file} has ${bytes.length} bytes, not ${expected.bytes}`,
    );
  const actual = await hashOf(bytes);
  if (actual !== expected.sha256) throw corrupt(version, file, `its SHA-256 is ${actual}, not ${expected.sha256}`);
  return bytes;
}

async function readOr(version: string, file: string, read: () => Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await onDisk("read", file, read);
  } catch (error) {
    const cause = isLockstepError(error) ? error.cause : error;
    if (isMissing(cause)) throw corrupt(version, file, "it is missing");
    if (codeOf(cause) === "ELOOP") throw corrupt(version, file, "it has become a symbolic link");
    throw error;
  }
}
