/** Small files written durably, synchronously: the key and the head beside the log. */
import { closeSync, constants, fsyncSync, openSync, writeFileSync } from "node:fs";

/**
 * Writes and syncs the contents. `wx` refuses a file that is there, `w` replaces it. The name is durable after
 * `syncFolder`.
 */
export function writeSynced(path: string, text: string, flags: "wx" | "w", mode: number): void {
  const file = openSync(path, flags, mode);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Windows cannot open a folder for this; its file systems journal names by themselves. */
export function syncFolder(path: string): void {
  if (process.platform === "win32") return;
  const folder = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
