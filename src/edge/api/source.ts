/**
 * What a path means: a store (then which version of it), one version's folder, any folder in the Hugging Face layout,
 * or a GGUF file.
 */
import { readdir } from "node:fs/promises";
import { LockstepError } from "../../base/index.ts";
import { checkWeightsSize } from "../../work/infer/index.ts";
import {
  isAlias,
  isGgufPath,
  openFolder,
  openGgufFile,
  openStore,
  type NamedFiles,
  type Store,
} from "../../work/store/index.ts";

/** The alias that a training moves, and that is meant where none is named. */
export const DEFAULT_ALIAS = "champion";

/** Shared buffers, so that replicas read the very bytes that were hashed, without a copy. */
const allocate = (_file: string, bytes: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(bytes));

export interface ModelSource extends NamedFiles {
  /** The store it came from; undefined for a folder. */
  readonly store: Store | undefined;
  /** The alias it was found by; undefined where it was named itself. */
  readonly alias: string | undefined;
}

/**
 * Reads a model's files, every byte checked against its name where it is a version.
 * @throws NOT_FOUND, VERSION_CORRUPT, MODEL_INVALID, INPUT_TOO_LARGE
 */
export async function openSource(path: string, ref: string | undefined): Promise<ModelSource> {
  if (await isStore(path)) {
    const store = await openStore(path);
    const wanted = ref ?? (await soleVersion(store));
    const version = await store.open(wanted, { allocate });
    return {
      ...version,
      store,
      alias: wanted !== version.name && isAlias(wanted) ? await aliasOf(store, wanted) : undefined,
    };
  }
  if (ref !== undefined)
    throw new LockstepError(
      "NOT_FOUND",
      `${path} is not a store, so it has no version "${ref}"; leave the version out, or give the store's folder`,
      { path, version: ref },
    );
  return { ...(await openModelFolder(path)), store: undefined, alias: undefined };
}

/** A name of a version may be written like an alias: it is one only if there is such an alias. */
async function aliasOf(store: Store, name: string): Promise<string | undefined> {
  return (await store.alias(name)) === undefined ? undefined : name;
}

/**
 * A folder in the Hugging Face layout, or a GGUF file, that somebody else made: what its weights may weigh is settled
 * before memory is taken for them.
 */
export async function openModelFolder(path: string): Promise<NamedFiles> {
  const open = isGgufPath(path) ? openGgufFile : openFolder;
  return await open(path, { allocate, beforeWeights: checkWeightsSize });
}

/** The champion, or the only version there is. */
async function soleVersion(store: Store): Promise<string> {
  const aliases = await store.aliases();
  if (aliases.has(DEFAULT_ALIAS)) return DEFAULT_ALIAS;
  const versions = await store.list();
  const only = versions[0];
  if (only !== undefined && versions.length === 1) return only.name;
  throw new LockstepError(
    "NOT_FOUND",
    versions.length === 0
      ? `the store ${store.root} has no versions yet; train one into it, or publish a folder`
      : `the store ${store.root} has ${versions.length} versions and no alias "${DEFAULT_ALIAS}"; say which one ` +
          "you mean",
    { store: store.root },
  );
}

export async function isStore(path: string): Promise<boolean> {
  try {
    const names = await readdir(path);
    return names.includes("versions") && names.includes("aliases");
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && (thrown.code === "ENOENT" || thrown.code === "ENOTDIR"))
      return false;
    throw thrown;
  }
}

/**
 * What is to be published: a version of the store, or a folder in the Hugging Face layout, read but not yet part of the
 * store.
 */
export async function openPublishSource(store: Store, source: string): Promise<NamedFiles> {
  return isFolderSource(source) ? await openModelFolder(source) : await store.open(source, { allocate });
}

/** A path has a separator, or is a relative place; a version or an alias has none. */
export function isFolderSource(source: string): boolean {
  return /[\\/]/.test(source) || source === "." || source === "..";
}
