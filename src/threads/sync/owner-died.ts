/**
 * The death of a thread, as the room's primitives see it. A thread can be terminated at any instruction, and neither
 * `using` nor `finally` runs then; so somebody else (supervisor.ts) sees its end and tells each object that it may have
 * used.
 */
import { isLockstepError, LockstepError } from "../../base/index.ts";

/** What a supervisor needs of an object that threads share. */
export interface Supervised {
  /**
   * For the supervisor, once that thread has ended: marks what it left behind and makes every waiter look again. Never
   * blocks; telling the same death twice does no harm. True: the dead thread held the object, or may have held it.
   */
  threadDied(deadThreadId: number): boolean;
}

/**
 * What the next taker gets when the owner died inside, or gave its object up half done: what is protected may be torn.
 * Code OWNER_DIED. The taker decides: repair it, or make it anew. Recognised by `isOwnerDied`, since two copies of the
 * package may be loaded.
 */
export class OwnerDiedError extends LockstepError {
  /** `what`: "the mutex "queue"", for instance. `repair`: how the object can be taken all the same. */
  constructor(what: string, repair: string) {
    super("OWNER_DIED", `${what} is broken: its owner died or gave up inside; ${repair}, or make it anew`, {
      object: what,
    });
  }
}

export function isOwnerDied(value: unknown): value is LockstepError & { readonly code: "OWNER_DIED" } {
  return isLockstepError(value) && value.code === "OWNER_DIED";
}
