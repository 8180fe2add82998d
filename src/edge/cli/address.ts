/** Where a server listens and by which names it may be asked, for the verbs that have one. */
import type { HttpOptions } from "../api/index.ts";
import type { Output } from "./output.ts";

interface AddressFlags {
  readonly port?: number | undefined;
  readonly host?: string | undefined;
  readonly allowedHost?: readonly string[] | undefined;
}

export function addressOf({ port, host, allowedHost }: AddressFlags): HttpOptions {
  return {
    ...(port === undefined ? {} : { port }),
    ...(host === undefined ? {} : { host }),
    ...(allowedHost === undefined ? {} : { allowedHosts: [...allowedHost] }),
  };
}

const LOOPBACK = /^(localhost|127\..*|::1)$/;

/** Whoever binds more than loopback should have meant it. */
export function warnOfExposure(output: Output, host: string | undefined, port: number): void {
  if (host === undefined || LOOPBACK.test(host)) return;
  output.note(
    `warning: bound to ${host}, so whoever reaches port ${port} of this machine may ask, read receipts and metrics; ` +
      "there is no encryption. Requests have to name its address, or a host given with --allowed-host",
  );
}
