/**
 * A disk that remembers which of its writes would survive a power failure. Operations are recorded from a run over any
 * FileSystem, and replayed here up to any prefix; `afterCrash` then builds a disk as it may be found: each name whose
 * folder was not synced is there or not, independently (also the two ends of a rename), and contents that were not
 * synced are old, empty, torn, zeroed or whole. That is more than any one file system does.
 */
import { posix } from "node:path";
import type { FileInfo, FileSystem, NewFile, ReadOptions } from "../../../src/work/store/index.ts";

export type Operation =
  | { readonly kind: "create" | "sync" | "make" | "remove" | "syncFolder"; readonly path: string }
  | { readonly kind: "write"; readonly path: string; readonly bytes: Uint8Array }
  | { readonly kind: "rename"; readonly path: string; readonly to: string };

/** Passes everything on to `fs` and records what changes the disk. */
export function recording(fs: FileSystem, log: Operation[]): FileSystem {
  return {
    ...fs,
    async createFile(path) {
      const file = await fs.createFile(path);
      log.push({ kind: "create", path });
      return {
        async write(bytes) {
          await file.write(bytes);
          log.push({ kind: "write", path, bytes: bytes.slice() });
        },
        async sync() {
          await file.sync();
          log.push({ kind: "sync", path });
        },
        close: () => file.close(),
      };
    },
    async makeFolder(path) {
      await fs.makeFolder(path);
      log.push({ kind: "make", path });
    },
    async rename(path, to) {
      await fs.rename(path, to);
      log.push({ kind: "rename", path, to });
    },
    async remove(path) {
      await fs.remove(path);
      log.push({ kind: "remove", path });
    },
    async syncFolder(path) {
      await fs.syncFolder(path);
      log.push({ kind: "syncFolder", path });
    },
  };
}

class File {
  content = new Uint8Array(0);
  synced = new Uint8Array(0);
}

class Folder {
  readonly entries = new Map<string, File | Folder>();
  readonly durable = new Map<string, File | Folder>();
  /** Changes of names since the last sync, in order; undefined removes. */
  pending: { readonly name: string; readonly node: File | Folder | undefined }[] = [];

  set(name: string, node: File | Folder | undefined): void {
    if (node === undefined) this.entries.delete(name);
    else this.entries.set(name, node);
    this.pending.push({ name, node });
  }

  sync(): void {
    this.durable.clear();
    for (const [name, node] of this.entries) this.durable.set(name, node);
    this.pending = [];
  }
}

export type Choose = (options: number) => number;

export class SimulatedDisk {
  readonly #root = new Folder();
  #locked: Promise<void> = Promise.resolve();

  afterCrash(choose: Choose): SimulatedDisk {
    const disk = new SimulatedDisk();
    crash(this.#root, disk.#root, choose, new Map());
    return disk;
  }

  apply(operation: Operation): void {
    const { folder, name } = this.#parent(operation.path);
    const node = folder.entries.get(name);
    switch (operation.kind) {
      case "create":
        if (node !== undefined) throw failure("EEXIST", operation.path);
        return folder.set(name, new File());
      case "make":
        if (node !== undefined) throw failure("EEXIST", operation.path);
        return folder.set(name, new Folder());
      case "write": {
        const file = this.#file(operation.path);
        const content = new Uint8Array(file.content.length + operation.bytes.length);
        content.set(file.content);
        content.set(operation.bytes, file.content.length);
        file.content = content;
        return;
      }
      case "sync": {
        const file = this.#file(operation.path);
        file.synced = file.content;
        return;
      }
      case "syncFolder":
        return this.#folder(operation.path).sync();
      case "remove":
        if (node !== undefined) folder.set(name, undefined);
        return;
      case "rename": {
        if (node === undefined) throw failure("ENOENT", operation.path);
        const to = this.#parent(operation.to);
        const there = to.folder.entries.get(to.name);
        if (there instanceof Folder && there.entries.size > 0) throw failure("ENOTEMPTY", operation.to);
        to.folder.set(to.name, node);
        return folder.set(name, undefined);
      }
    }
  }

  /** Every file with its contents, as one text each: to compare disks. */
  dump(): string[] {
    return dump(this.#root, "");
  }

  asFileSystem(): FileSystem {
    const apply = async (operation: Operation): Promise<void> => this.apply(operation);
    return {
      async createFile(path): Promise<NewFile> {
        await apply({ kind: "create", path });
        return {
          write: (bytes) => apply({ kind: "write", path, bytes: bytes.slice() }),
          sync: () => apply({ kind: "sync", path }),
          close: async () => undefined,
        };
      },
      makeFolder: (path) => apply({ kind: "make", path }),
      rename: (path, to) => apply({ kind: "rename", path, to }),
      remove: (path) => apply({ kind: "remove", path }),
      syncFolder: (path) => apply({ kind: "syncFolder", path }),
      info: async (path) => this.#info(path),
      list: async (path) => [...this.#folder(path).entries.keys()].sort(),
      readLink: (path) => Promise.reject(Object.assign(new Error(`no link: ${path}`), { code: "EINVAL" })),
      realPath: async (path) => path,
      readFile: async (path: string, options: ReadOptions = {}) => {
        const { content } = this.#file(path);
        options.inspect?.({ kind: "file", bytes: content.length, links: 1, modified: 0 });
        return content.slice();
      },
      share: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
      tryLock: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
      lock: async () => {
        const before = this.#locked;
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#locked = promise;
        await before;
        return {
          async [Symbol.asyncDispose]() {
            resolve();
          },
        };
      },
    };
  }

  #info(path: string): FileInfo | undefined {
    try {
      const node = this.#node(path);
      return {
        kind: node instanceof Folder ? "folder" : "file",
        bytes: node instanceof File ? node.content.length : 0,
        links: 1,
        modified: 0,
      };
    } catch {
      return undefined;
    }
  }

  #node(path: string): File | Folder {
    let node: File | Folder | undefined = this.#root;
    for (const part of path.split("/").filter((part) => part !== "")) {
      node = node instanceof Folder ? node.entries.get(part) : undefined;
      if (node === undefined) throw failure("ENOENT", path);
    }
    return node;
  }

  #file(path: string): File {
    const node = this.#node(path);
    if (node instanceof File) return node;
    throw failure("EISDIR", path);
  }

  #folder(path: string): Folder {
    const node = this.#node(path);
    if (node instanceof Folder) return node;
    throw failure("ENOTDIR", path);
  }

  #parent(path: string): { folder: Folder; name: string } {
    return { folder: this.#folder(posix.dirname(path)), name: posix.basename(path) };
  }
}

function crash(from: Folder, to: Folder, choose: Choose, copies: Map<File | Folder, File | Folder>): void {
  const names = new Map(from.durable);
  for (const { name, node } of from.pending) {
    if (choose(2) === 0) continue;
    if (node === undefined) names.delete(name);
    else names.set(name, node);
  }
  for (const [name, node] of names) {
    const copy = copies.get(node) ?? (node instanceof Folder ? new Folder() : new File());
    if (!copies.has(node)) {
      copies.set(node, copy);
      if (node instanceof Folder && copy instanceof Folder) crash(node, copy, choose, copies);
      if (node instanceof File && copy instanceof File) copy.content = copy.synced = found(node, choose);
    }
    to.set(name, copy);
  }
  to.sync();
}

function found({ content, synced }: File, choose: Choose): Uint8Array<ArrayBuffer> {
  if (same(content, synced)) return content;
  const half = content.slice(0, content.length >> 1);
  return [synced, content, half, new Uint8Array(content.length)][choose(4)] ?? synced;
}

function dump(node: File | Folder, path: string): string[] {
  if (node instanceof File) return [`${path} ${Buffer.from(node.content).toString("hex")}`];
  return [
    `${path}/`,
    ...[...node.entries]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, inner]) => dump(inner, `${path}/${name}`)),
  ];
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
