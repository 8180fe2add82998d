/** A run is of use to somebody as long as one of its requests is open. */

/** A signal that is aborted once all of these are; `forget` leaves them alone. */
export function untilAllOver(signals: readonly AbortSignal[]): { readonly signal: AbortSignal; forget(): void } {
  const all = new AbortController();
  const distinct = new Set(signals);
  let open = distinct.size;
  const onAbort = (): void => {
    if (--open === 0) all.abort();
  };
  for (const signal of distinct) signal.addEventListener("abort", onAbort, { once: true });
  return {
    signal: all.signal,
    forget: () => {
      for (const signal of distinct) signal.removeEventListener("abort", onAbort);
    },
  };
}
