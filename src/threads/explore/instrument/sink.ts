/** What is told of accesses to shared memory. */
import { LockstepError } from "../../../base/index.ts";

/**
 * Where accesses to shared memory are reported, before they happen. May block: nothing else of the thread runs
 * meanwhile.
 */
export interface AccessSink {
  plain(buffer: SharedArrayBuffer, byteOffset: number, byteLength: number, write: boolean): void;
  /** What the code is about to do cannot be watched. @default throws INPUT_INVALID */
  readonly refuse?: (what: string) => never;
  /** Code is run that is not watched. */
  readonly unwatched?: (what: string) => void;
}

/** @throws INPUT_INVALID, or whatever the sink has for it */
export function refuse(sink: AccessSink, what: string): never {
  if (sink.refuse !== undefined) sink.refuse(what);
  throw new LockstepError("INPUT_INVALID", what);
}
