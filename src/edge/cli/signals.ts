/**
 * Ctrl-C, SIGTERM and a terminal that goes away: the first asks for an orderly end, the second leaves at once (as soon
 * as no worker is inside a native run).
 */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
  readonly done: Promise<void>;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export const INTERRUPTED = 130;

export function onInterrupt(note: (line: string) => void, what: string): Interruption {
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<void>();
  const handle = (): void => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    note(`${what} (again to leave at once)`);
    controller.abort();
    resolve();
  };
  for (const name of SIGNALS) process.on(name, handle);
  return {
    signal: controller.signal,
    done: promise,
    [Symbol.dispose]() {
      for (const name of SIGNALS) process.off(name, handle);
    },
  };
}
