/**
 * A FileSystem that says what it is about to do. Crash tests kill the process at one of these steps; nothing in
 * production uses it. Names are stable across runs: random parts of temporary names are shown as `tmp-*`.
 */
import { relative } from "node:path";
import type { FileSystem, NewFile } from "./file-system.ts";

/**
 * Called before each operation that changes the disk, such as `rename tmp/tmp-* versions/1f…`. May throw, to fail the
 * operation.
 */
export type OnStep = (step: string) => void | Promise<void>;

export function withSteps(fs: FileSystem, root: string, onStep: OnStep): FileSystem {
  const name = (path: string): string => (relative(root, path) || ".").replaceAll(/tmp-[0-9a-f]{32}/g, "tmp-*");
  return {
    ...fs,
    async createFile(path) {
      await onStep(`create ${name(path)}`);
      return stepped(await fs.createFile(path), name(path), onStep);
    },
    async makeFolder(path) {
      await onStep(`make ${name(path)}`);
      await fs.makeFolder(path);
    },
    async rename(from, to) {
      await onStep(`rename ${name(from)} ${name(to)}`);
      await fs.rename(from, to);
    },
    async remove(path) {
      await onStep(`remove ${name(path)}`);
      await fs.remove(path);
    },
    async syncFolder(path) {
      await onStep(`sync folder ${name(path)}`);
      await fs.syncFolder(path);
    },
  };
}

/** Each write is two steps, so that a crash can fall into its middle. */
function stepped(file: NewFile, name: string, onStep: OnStep): NewFile {
  return {
    async write(bytes) {
      const half = bytes.length >> 1;
      await onStep(`write ${name}`);
      await file.write(bytes.subarray(0, half));
      await onStep(`write the rest of ${name}`);
      await file.write(bytes.subarray(half));
    },
    async sync() {
      await onStep(`sync ${name}`);
      await file.sync();
    },
    async close() {
      await file.close();
    },
  };
}
