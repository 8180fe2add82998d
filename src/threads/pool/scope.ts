/** What a worker has in native code, as far as the pool deals with it. */
export interface WorkerScope {
  /** Its context's `scope`. */
  readonly handle: unknown;
  /** Ends the native run that the worker is in, or its next one. */
  interrupt(): void;
  /** Frees what the worker has left. Called once, when it has ended. */
  release(): void;
}
