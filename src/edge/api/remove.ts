/**
 * `remove`: takes a version out of a store for good. What an alias names stays, and what a kept receipt needs for its
 * replay. `removeAlias`: takes a name away, and leaves the version.
 */
import { existsSync } from "node:fs";
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { refersTo } from "../../work/audit/index.ts";
import { openStore } from "../../work/store/index.ts";
import { aliasSchema, pathSchema, requirePath } from "./options.ts";
import { receiptsPath } from "./receipts.ts";

const removeSchema = z.strictObject({ log: pathSchema.optional() });

export interface RemoveOptions {
  /** A log that is heeded beside receipts.sqlite in the store's folder, where `serve` was given one. @default none */
  readonly log?: string | undefined;
}

export interface RemoveResult {
  readonly store: string;
  /** The full name, 64 hexadecimal characters. */
  readonly version: string;
  /** What its files had. */
  readonly bytes: number;
}

/**
 * Removes one version, also a damaged one. `version`: a name, or at least four characters of one. A server that has it
 * loaded goes on answering with it; what such a server answers after this cannot be replayed.
 *
 * @throws NOT_FOUND no such store, version or log; CONFLICT an alias names it, or a receipt that is not erased refers
 *   to it; STORE_CORRUPT, LOG_CORRUPT whether that is so cannot be told; DISK_FAILED
 */
export async function remove(path: string, version: string, options: RemoveOptions = {}): Promise<RemoveResult> {
  const { log } = parseOptions(removeSchema, options, "the options of remove");
  requirePath(path, "the store that remove takes");
  requirePath(version, "the version that remove takes");
  if (log !== undefined && !existsSync(log))
    throw new LockstepError("NOT_FOUND", `there is no log of receipts at ${log}`, { path: log });
  const store = await openStore(path);
  const removed = await store.remove(version, {
    isPinned: (name) =>
      [receiptsPath(store.root), ...(log === undefined ? [] : [log])].some((one) => refersTo(one, name)),
  });
  return { store: store.root, version: removed.name, bytes: removed.bytes };
}

export interface RemoveAliasResult {
  readonly store: string;
  readonly alias: string;
  /** What it named, full; undefined where its file was damaged. */
  readonly version: string | undefined;
}

/**
 * Takes an alias away; the version that it named stays. A server that follows the alias goes on with the version that
 * it has, and follows the alias again once there is one; who asks such a server for the alias meanwhile gets NOT_FOUND.
 *
 * @throws NOT_FOUND no such store or alias; OPTION_INVALID; DISK_FAILED
 */
export async function removeAlias(path: string, alias: string): Promise<RemoveAliasResult> {
  requirePath(path, "the store that removeAlias takes");
  const name = parseOptions(aliasSchema, alias, "the alias that removeAlias takes");
  const store = await openStore(path);
  return { store: store.root, alias: name, version: await store.removeAlias(name) };
}
