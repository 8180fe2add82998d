/** What passes between the controller and an explored thread beside the control memory. */
import type { EncodedError } from "../../base/index.ts";
import type { Control } from "./control.ts";
import type { FileHits } from "./instrument/branches.ts";
import type { Operation } from "./program.ts";

export interface ThreadSetup {
  readonly control: Control;
  readonly index: number;
  readonly url: string;
  readonly program: string;
  readonly state: unknown;
  /** The URL of the folder of whose files branches are noted; null: of none. */
  readonly root: string | null;
  /** This thread runs `supervise`. */
  readonly supervisor: boolean;
}

/** What a thread has to say of a schedule; nothing if there is nothing to say. */
export interface ThreadReport {
  readonly thread: number;
  readonly result?: unknown;
  readonly operations?: readonly Operation[];
  readonly error?: EncodedError & { readonly name: string };
  readonly sites?: ReadonlyMap<number, string>;
  /** Places, unknown so far, where this thread was put off though it may count. */
  readonly cutSites?: readonly string[];
  /** Packages, and what else it runs as it is, that the controller has not been told of. */
  readonly unwatched?: readonly string[];
  /** Files that were loaded, for what they note of their branches. */
  readonly files?: readonly FileHits[];
  /** What the thread did cannot be explored. */
  readonly refused?: EncodedError;
}

export type ThreadReady =
  | { readonly kind: "ready"; readonly unwatched: readonly string[]; readonly files: readonly FileHits[] }
  | { readonly kind: "failed"; readonly error: EncodedError };
