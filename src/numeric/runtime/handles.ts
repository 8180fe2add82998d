/** What of the C interface passes between threads: plain data, and the supervisor's end of it. */
/** What a thread has in native code: how its runs are ended, and what it holds. Plain data, for another thread. */
export interface ScopeHandle {
  readonly runOptions: bigint;
  readonly ledger: SharedArrayBuffer;
}

/** The supervisor's end of it. */
export interface Scope {
  readonly handle: ScopeHandle;
  /**
   * Ends the run that the thread is in, between two operators: it fails with InterruptedRun. Where the thread is in
   * none, its next run fails so; one run for each call at most.
   */
  interrupt(): void;
  /** Frees all that the thread has left. Only once it has ended. */
  release(): void;
}

/** One packed copy of a version's weights for all sessions of the process. Plain data, for another thread. */
export interface PackedHandle {
  readonly container: bigint;
}
