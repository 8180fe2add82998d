/** What passes between the controller and an explored thread beside the control memory. */
import type { EncodedError } from "../../base/index.ts";
import type { Control } from "./control.ts";
import type { Operation } from "./program.ts";

export interface ThreadSetup {
  readonly control: Control;
  readonly index: number;
  readonly url: string;
  readonly program: string;
  readonly state: unknown;
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
  /** What the thread did cannot be explored. */
  readonly refused?: EncodedError;
}

export type ThreadReady = { readonly kind: "ready" } | { readonly kind: "failed"; readonly error: EncodedError };
