/**
 * A store: a folder of immutable versions, and aliases that say which of them is meant.
 *
 *   versions/<sha-256 of the manifest>/   the files of one version, in the Hugging Face layout, and manifest.json
 *   aliases/<alias>                       the name of a version
 *   runs/<run>/                           checkpoints of trainings
 *   tmp/                                  what is being written
 *   store.lock                            held while aliases are compared and set, or a version is removed
 *
 * Any number of processes may use one store at once. Publishing needs no lock, because a version's name is its
 * contents.
 */
import { join } from "node:path";
import { isLockstepError, LockstepError, systemClock, type Clock } from "../../base/index.ts";
import { readAlias, readAliases, removeAlias, writeAlias } from "./aliases.ts";
import { onDisk } from "./disk-errors.ts";
import { makeFolder, makeFolders } from "./durable.ts";
import type { FileSystem } from "./file-system.ts";
import { requireFiles } from "./manifest.ts";
import { listVersions, type StoredVersion } from "./listing.ts";
import { isAlias, isVersionName, isVersionPrefix, requireAlias, requireRunName, shortName } from "./names.ts";
import { isMissing, nodeFileSystem } from "./node-file-system.ts";
import { cleanTemporary, temporaryName, whileWriting } from "./temporary.ts";
import { readVersionFolder, writeVersion, type Allocate, type NamedFiles } from "./version-folder.ts";

const FOLDERS = ["versions", "aliases", "runs", "tmp"] as const;
const MAX_VERSIONS = 100_000;
const MAX_RUNS = 1_000;
const MAX_VERSION_ENTRIES = 1_000;

export interface StoreOptions {
  /** Make the store when there is none. @default false: NOT_FOUND */
  readonly create?: boolean;
  /** @default nodeFileSystem */
  readonly fs?: FileSystem;
  /** Decides only when a leftover is old enough to remove. @default systemClock */
  readonly clock?: Clock;
}

/** The checkpoints of one run, held by one training at a time. */
export interface RunFolder extends AsyncDisposable {
  readonly folder: string;
  /** Its version is published: the checkpoints go. */
  remove(): Promise<void>;
}

export interface VersionRef {
  readonly name: string;
  readonly folder: string;
}

export interface RemovedVersion {
  readonly name: string;
  /** Of everything that was in its folder. */
  readonly bytes: number;
}

/** Opens the store at `root`, and removes what dead processes left half-written in it. */
export async function openStore(root: string, options: StoreOptions = {}): Promise<Store> {
  const fs = options.fs ?? nodeFileSystem;
  await onDisk("open the store", root, async () => {
    const names = await listOrNothing(fs, root);
    const isStore = names.includes("versions") && names.includes("aliases");
    if (!isStore) {
      if (options.create !== true) throw notAStore(root, names);
      await createStore(fs, root, names);
    }
    if (!isStore || names.includes("tmp")) await cleanTemporary(fs, join(root, "tmp"), options.clock ?? systemClock);
  });
  return new Store(root, fs);
}

/** A crash in here leaves some of the folders, and the next call goes on from there. */
async function createStore(fs: FileSystem, root: string, names: readonly string[]): Promise<void> {
  const foreign = names.find((name) => !(FOLDERS as readonly string[]).includes(name));
  if (foreign !== undefined) {
    throw new LockstepError(
      "OPTION_INVALID",
      `${root} is not a store and not empty (there is ${JSON.stringify(foreign)} in it); choose a new or empty folder`,
      { root },
    );
  }
  await makeFolders(fs, root);
  for (const name of FOLDERS) await makeFolder(fs, join(root, name));
  await fs.syncFolder(root);
}

export class Store {
  readonly root: string;
  readonly #fs: FileSystem;

  constructor(root: string, fs: FileSystem) {
    this.root = root;
    this.#fs = fs;
  }

  /**
   * Makes `files` a version. A version with these very bytes that is there already is success. With `alias`, then moves
   * the alias to it.
   */
  async publish(
    files: ReadonlyMap<string, Uint8Array>,
    options: { readonly alias?: string } = {},
  ): Promise<VersionRef> {
    if (options.alias !== undefined) requireAlias(options.alias);
    requireFiles([...files.keys()]);
    const name = await this.#writing(() => writeVersion(this.#fs, this.#path("tmp"), this.#path("versions"), files));
    if (options.alias !== undefined) await this.setAlias(options.alias, name);
    return this.#ref(name);
  }

  /** Every version, oldest first. A damaged one is listed with its problem. */
  async list(): Promise<StoredVersion[]> {
    return await listVersions(this.#fs, this.#path("versions"), await this.#names(), await this.aliases());
  }

  /** Every alias and the version that it names. */
  async aliases(): Promise<ReadonlyMap<string, string>> {
    return await readAliases(this.#fs, this.#path("aliases"));
  }

  /** The version meant by an alias, a full name, or at least four characters of one. NOT_FOUND says what there is. */
  async resolve(ref: string): Promise<VersionRef> {
    const names = await this.#names();
    const aliased = isAlias(ref) ? await readAlias(this.#fs, this.#path("aliases"), ref) : undefined;
    if (aliased !== undefined) {
      if (names.includes(aliased)) return this.#ref(aliased);
      throw new LockstepError(
        "STORE_CORRUPT",
        `the alias "${ref}" names version ${aliased}, which is not in ${this.root}; set the alias to another version`,
        { alias: ref, version: aliased },
      );
    }
    const matches = isVersionPrefix(ref) ? names.filter((name) => name.startsWith(ref)) : [];
    const [only] = matches;
    if (only !== undefined && matches.length === 1) return this.#ref(only);
    if (matches.length > 1)
      throw new LockstepError(
        "NOT_FOUND",
        `"${ref}" fits ${matches.length} versions: ${matches.map(shortName).join(", ")}; give more characters`,
        { ref },
      );
    throw new LockstepError(
      "NOT_FOUND",
      `there is no version or alias ${JSON.stringify(ref.slice(0, 80))} in ${this.root}; ` +
        (await this.#whatExists(names)) +
        (/^[0-9a-f]{1,3}$/.test(ref) ? "; the beginning of a version's name has at least four characters" : ""),
      { ref: ref.slice(0, 80) },
    );
  }

  /** The version in memory, every byte checked. VERSION_CORRUPT names the file that is not as published. */
  async open(ref: string, options: { readonly allocate?: Allocate } = {}): Promise<NamedFiles> {
    const { name, folder } = await this.resolve(ref);
    return await readVersionFolder(this.#fs, folder, name, options.allocate);
  }

  /**
   * Moves an alias, atomically. With `expected`, only if it names that version now (null: only if there is no such
   * alias); otherwise CONFLICT, and nothing has changed.
   */
  async setAlias(alias: string, ref: string, options: { readonly expected?: string | null } = {}): Promise<VersionRef> {
    requireAlias(alias);
    return await this.#locked(async () => {
      const version = await this.resolve(ref);
      if (options.expected !== undefined) await this.#requireExpected(alias, options.expected);
      const before = await readAlias(this.#fs, this.#path("aliases"), alias).catch(() => undefined); // to be mended
      await this.#writing(async () => {
        try {
          await writeAlias(this.#fs, this.#path("tmp"), this.#path("aliases"), alias, version.name);
        } catch (thrown) {
          await this.#putBack(alias, before, thrown);
          throw thrown;
        }
      });
      return version;
    });
  }

  /** What the alias names now; undefined where there is no such alias. One small file is read. */
  async alias(alias: string): Promise<string | undefined> {
    return await readAlias(this.#fs, this.#path("aliases"), requireAlias(alias));
  }

  /** Changes whenever an alias or a version comes, goes or moves, here or in another process. Two looks at folders. */
  async stamp(): Promise<string> {
    const looks = ["aliases", "versions"].map((folder) => this.#fs.info(this.#path(folder)));
    return (await Promise.all(looks)).map((info) => info?.modified ?? 0).join(":");
  }

  /** The alias has its new name, and that could not be made durable: it names again what it named. */
  async #putBack(alias: string, before: string | undefined, failure: unknown): Promise<void> {
    try {
      if ((await readAlias(this.#fs, this.#path("aliases"), alias)) === before) return;
      if (before === undefined) await removeAlias(this.#fs, this.#path("aliases"), alias);
      else await writeAlias(this.#fs, this.#path("tmp"), this.#path("aliases"), alias, before);
    } catch {
      throw new LockstepError(
        "DISK_FAILED",
        `the alias "${alias}" could not be moved, nor put back: ${String(failure)}; look at what it names, and set it`,
        { alias },
        { cause: failure },
      );
    }
  }

  /**
   * Takes an alias away, also a damaged one; the version stays. Returns what it named, if that could be read. NOT_FOUND
   * when there is no such alias.
   */
  async removeAlias(alias: string): Promise<string | undefined> {
    requireAlias(alias);
    return await this.#locked(async () => {
      const version = await readAlias(this.#fs, this.#path("aliases"), alias).catch((thrown: unknown) => {
        if (isLockstepError(thrown) && thrown.code === "STORE_CORRUPT") return null;
        throw thrown;
      });
      if (version === undefined) {
        const others = [...(await this.aliases()).keys()];
        throw new LockstepError(
          "NOT_FOUND",
          `there is no alias "${alias}" in ${this.root}; ` +
            (others.length === 0 ? "it has none" : `it has ${others.slice(0, 8).join(", ")}`),
          { alias },
        );
      }
      await removeAlias(this.#fs, this.#path("aliases"), alias);
      return version ?? undefined;
    });
  }

  /**
   * Removes a version, also a damaged one. CONFLICT while an alias names it, or `isPinned` says that something (a kept
   * receipt) still needs it.
   */
  async remove(
    ref: string,
    options: { readonly isPinned?: (version: string) => boolean | Promise<boolean> } = {},
  ): Promise<RemovedVersion> {
    return await this.#locked(async () => {
      const version = await this.resolve(ref);
      const aliases = [...(await this.aliases())]
        .filter(([, target]) => target === version.name)
        .map(([alias]) => alias);
      if (aliases.length > 0) {
        throw new LockstepError(
          "CONFLICT",
          `version ${shortName(version.name)} is in use: ${aliases.join(", ")} ` +
            `${aliases.length === 1 ? "names" : "name"} it; move ` +
            `${aliases.length === 1 ? "the alias" : "them"} to another version first ` +
            "(`lockstep publish STORE VERSION --alias NAME`), or take it away (`lockstep remove STORE --alias NAME`)",
          { version: version.name, aliases },
        );
      }
      if ((await options.isPinned?.(version.name)) === true) {
        throw new LockstepError(
          "CONFLICT",
          `version ${shortName(version.name)} is in use: a kept receipt refers to it, and could not be ` +
            "replayed without it; keep it, or erase its receipts first (`lockstep export-log` shows them, `lockstep " +
            "erase` takes the text of one away for good)",
          { version: version.name },
        );
      }
      const bytes = await this.#writing(() =>
        onDisk("remove", version.folder, async () => {
          const size = await sizeOf(this.#fs, version.folder);
          // Out of sight in one step first: a half-removed version must never be seen.
          const hidden = this.#path("tmp", temporaryName());
          await this.#fs.rename(version.folder, hidden);
          await this.#fs.syncFolder(this.#path("versions"));
          await this.#fs.remove(hidden);
          return size;
        }),
      );
      return { name: version.name, bytes };
    });
  }

  /** Whether there is a run of this name, with checkpoints or without. */
  async hasRun(run: string): Promise<boolean> {
    return (await this.#fs.info(this.#path("runs", requireRunName(run)))) !== undefined;
  }

  /** Of all runs that are there, at most a thousand. */
  async runFolders(): Promise<string[]> {
    const runs = this.#path("runs");
    return (await onDisk("list", runs, () => this.#fs.list(runs, MAX_RUNS))).map((name) => join(runs, name));
  }

  /**
   * The folder for a run's checkpoints; made when it is not there, and held until it is disposed of.
   * @throws CONFLICT when another training of this recipe holds it
   */
  async openRun(run: string): Promise<RunFolder> {
    const folder = this.#path("runs", requireRunName(run));
    await onDisk("make", folder, () => makeFolders(this.#fs, folder));
    const lock = await this.#fs.lock(join(folder, "run.lock")).catch((error: unknown) => {
      if (!isLockstepError(error) || error.code !== "TIMEOUT") throw error;
      throw new LockstepError(
        "CONFLICT",
        `another process is training this very recipe into ${this.root}; wait for it, or train into another store`,
        { run, store: this.root },
        { cause: error },
      );
    });
    return {
      folder,
      remove: () => onDisk("remove", folder, () => this.#fs.remove(folder)),
      [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
    };
  }

  async #requireExpected(alias: string, expected: string | null): Promise<void> {
    const actual = (await readAlias(this.#fs, this.#path("aliases"), alias)) ?? null;
    if (actual === expected) return;
    throw new LockstepError(
      "CONFLICT",
      `the alias "${alias}" names ${actual ?? "nothing"} now, not ${expected ?? "nothing"}; look again before ` +
        "you move it",
      { alias, actual, expected },
    );
  }

  async #locked<T>(work: () => Promise<T>): Promise<T> {
    await using _ = await this.#fs.lock(this.#path("store.lock"));
    return await work();
  }

  /** Work by way of `tmp`. A copied store may lack an empty folder. */
  async #writing<T>(work: () => Promise<T>): Promise<T> {
    const folder = this.#path("tmp");
    await onDisk("make", folder, () => makeFolders(this.#fs, folder));
    return await whileWriting(this.#fs, folder, work);
  }

  async #names(): Promise<string[]> {
    return (
      await onDisk("list", this.#path("versions"), () => this.#fs.list(this.#path("versions"), MAX_VERSIONS))
    ).filter(isVersionName);
  }

  async #whatExists(names: readonly string[]): Promise<string> {
    if (names.length === 0) return "it has no version yet";
    const aliases = [...(await this.aliases()).keys()];
    const shown = names.slice(0, 8).map(shortName).join(", ");
    return (
      `it has ${aliases.length === 0 ? "no alias" : `the aliases ${aliases.slice(0, 8).join(", ")}`} and ` +
      `${names.length === 1 ? "version" : `${names.length} versions:`} ${shown}${names.length > 8 ? ", …" : ""}`
    );
  }

  #ref(name: string): VersionRef {
    return { name, folder: this.#path("versions", name) };
  }
  #path(...parts: readonly string[]): string {
    return join(this.root, ...parts);
  }
}

async function listOrNothing(fs: FileSystem, root: string): Promise<string[]> {
  try {
    return await fs.list(root, 1_000);
  } catch (error) {
    if (isMissing(error) && (await fs.info(root)) === undefined) return [];
    throw error;
  }
}

/** As it lies there: a damaged version has no manifest that says it. */
async function sizeOf(fs: FileSystem, path: string): Promise<number> {
  const info = await fs.info(path);
  if (info?.kind !== "folder") return info?.bytes ?? 0;
  const names = await fs.list(path, MAX_VERSION_ENTRIES);
  const sizes = await Promise.all(names.map((name) => sizeOf(fs, join(path, name))));
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

function notAStore(root: string, names: readonly string[]): LockstepError {
  const why =
    names.length === 0
      ? "there is nothing there"
      : names.includes("config.json")
        ? "it is a plain model folder; publish it into a store first"
        : "it has no versions/ and aliases/";
  return new LockstepError("NOT_FOUND", `${root} is not a store: ${why}`, { root });
}
