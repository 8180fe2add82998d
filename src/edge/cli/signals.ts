/** Ctrl-C and SIGTERM: the first asks for an orderly end, the second leaves at once. */
export interface Interruption extends Disposable { readonly signal: AbortSignal; readonly done: Promise<void> }

export function onInterrupt(note: (line: string) => void, what: string): Interruption {
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<void>();
  const handle = (): void => {
    if (controller.signal.aborted) process.exit(130);
    note(`${what} (again to leave at once)`);
    controller.abort();
    resolve();
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  return {
    signal: controller.signal, done: promise,
    [Symbol.dispose]() {
      process.off("SIGINT", handle);
      process.off("SIGTERM", handle);
    },
  };
}
