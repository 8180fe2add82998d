/**
 * The few file operations that the store and the checkpoints are written with, as an interface: in production
 * `nodeFileSystem`, in tests one that records, fails, dies or forgets what was not synced. An operation here is one
 * step of a crash test, so none of them does two durable things at once. Errors are the system's own (`code: "ENOSPC"`
 * …); callers make them typed.
 */

/**
 * A file being written; it did not exist before. Bytes are durable after `sync`, the name only after its folder's
 * `syncFolder`.
 */
export interface NewFile {
  write(bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface FileInfo {
  readonly kind: "file" | "folder" | "link" | "other";
  readonly bytes: number;
  /** How many names the file has; more than one means a hard link. */
  readonly links: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

export interface ReadOptions {
  /** Sees what was opened (not what the path means a moment later) before any memory is taken; throws to refuse. */
  readonly inspect?: (info: FileInfo) => void;
  /** Where the bytes go, such as shared memory. @default a new Uint8Array */
  readonly allocate?: (bytes: number) => Uint8Array;
  /** Which bytes, up to `end`; EIO where the file ends before. @default all */
  readonly part?: { readonly begin: number; readonly end: number };
}

export interface FileSystem {
  /** EEXIST when something has that name. */
  createFile(path: string): Promise<NewFile>;
  /** EEXIST when something has that name; the parent must exist. */
  makeFolder(path: string): Promise<void>;
  /** Atomic; replaces a file, never a folder that has something in it. */
  rename(from: string, to: string): Promise<void>;
  /** A file, or a folder with everything in it; nothing there is success. */
  remove(path: string): Promise<void>;
  /** Makes the names in this folder durable: what was created, renamed or removed. */
  syncFolder(path: string): Promise<void>;
  /** Of the name itself: a link is not followed. Undefined when nothing has that name. */
  info(path: string): Promise<FileInfo | undefined>;
  /**
   * Names in a folder, sorted; at most `limit` are read (then the list has `limit` + 1 names, so that the caller can
   * tell).
   */
  list(path: string, limit: number): Promise<string[]>;
  /** Where a symbolic link points, as it is written there; EINVAL when it is none. */
  readLink(path: string): Promise<string>;
  /** The absolute path without any link. */
  realPath(path: string): Promise<string>;
  /** The whole file, or a part of it. A symbolic link is refused (ELOOP). */
  readFile(path: string, options?: ReadOptions): Promise<Uint8Array>;
  /**
   * Holds the lock named by `path` against every other process and thread until disposed; a dead owner holds nothing.
   */
  lock(path: string): Promise<AsyncDisposable>;
  /** Holds it beside others that share it; waits for who holds it alone. */
  share(path: string): Promise<AsyncDisposable>;
  /** Holds it alone if nobody holds it in any way; otherwise undefined, at once. */
  tryLock(path: string): Promise<AsyncDisposable | undefined>;
}
