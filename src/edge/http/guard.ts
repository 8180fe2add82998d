/**
 * Loopback is not a boundary: any web page that the user has open can send requests to 127.0.0.1, under its own origin
 * or, after rebinding its name, under its own host. So requests must name a host that is ours, come from a page of ours
 * or from no page, and every response forbids scripts, frames and sniffing.
 */
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { LockstepError } from "../../base/index.ts";

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri " +
    "'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
};

export function setSecurityHeaders(response: ServerResponse): void {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
  response.setHeader("cache-control", "no-store");
}

/** Whether `authority` ("host" or "host:port", lower case) is one of ours when listening on `port`. */
function isOurs(authority: string, port: number, allowedHosts: readonly string[]): boolean {
  if (LOOPBACK.some((name) => authority === `${name}:${port}` || (port === 80 && authority === name))) return true;
  const name = authority.replace(/:\d+$/, "");
  return allowedHosts.includes(authority) || allowedHosts.includes(name);
}

/** Throws FORBIDDEN for a request that names a foreign host, or that a foreign page sent. */
export function checkOrigin(headers: IncomingHttpHeaders, port: number, allowedHosts: readonly string[]): void {
  const host = headers.host?.toLowerCase() ?? "";
  if (!isOurs(host, port, allowedHosts)) {
    throw new LockstepError(
      "FORBIDDEN",
      `this server is not "${shown(host)}": ask it by a loopback name with its port, or start it with that ` +
        "host allowed",
      { host: shown(host) },
    );
  }
  const { origin } = headers;
  if (origin !== undefined) {
    const match = /^https?:\/\/(.+)$/.exec(origin.toLowerCase());
    if (match === null || !isOurs(match[1]!, port, allowedHosts)) {
      throw new LockstepError("FORBIDDEN", `pages of "${shown(origin)}" may not use this server`, {
        origin: shown(origin),
      });
    }
  }
  // Browsers leave Origin out of some requests for images and scripts, but say whose page asks. Following a link here
  // is fine.
  if (headers["sec-fetch-site"] === "cross-site" && headers["sec-fetch-mode"] !== "navigate") {
    throw new LockstepError("FORBIDDEN", "pages of other sites may not use this server");
  }
}

function shown(value: string): string {
  return value.length > 100 ? `${value.slice(0, 100)}…` : value;
}
