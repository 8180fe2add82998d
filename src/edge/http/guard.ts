/**
 * Loopback is not a boundary: any web page that the user has open can send requests to 127.0.0.1, under its own origin
 * or, after rebinding its name, under its own host. So requests must name a host that is ours, come from a page of ours
 * or from no page, and every response forbids scripts, frames and sniffing.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { LockstepError } from "../../base/index.ts";

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];
/** Addresses that mean "all of this machine's". */
const WILDCARD: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

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
  "cache-control": "no-store",
};

export function setSecurityHeaders(response: ServerResponse): void {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
}

export interface Place {
  /** The address that was bound. */
  readonly host: string;
  readonly port: number;
  readonly allowedHosts: readonly string[];
}

/** As it stands in an address: an IPv6 address in brackets. */
export function authorityName(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** The address by which this machine reaches a server that is bound to `host`. */
export function reachableHost(host: string): string {
  return WILDCARD[host] ?? host;
}

/**
 * Whether `authority` ("host" or "host:port", lower case) is this server for who came in by `socket`: a loopback name
 * on this machine, the address that the connection was made to (an address is no name that could be bound anew to
 * another), or one that is allowed.
 */
function isOurs(authority: string, socket: Socket, { host, port, allowedHosts }: Place): boolean {
  const is = (name: string): boolean => authority === `${name}:${port}` || (port === 80 && authority === name);
  if (isLoopback(socket.remoteAddress) && LOOPBACK.some(is)) return true;
  const local = plainAddress(socket.localAddress);
  if ((local !== "" && is(authorityName(local))) || is(authorityName(host))) return true;
  const name = authority.replace(/:\d+$/, "");
  return allowedHosts.includes(authority) || allowedHosts.includes(name);
}

function isLoopback(address: string | undefined): boolean {
  const plain = plainAddress(address);
  return plain === "::1" || plain.startsWith("127.");
}

/** An IPv4 address that came in by an IPv6 socket, as an IPv4 address. */
function plainAddress(address = ""): string {
  return address.replace(/^::ffff:(?=\d+\.)/, "").replace(/%.*$/, "");
}

/** Throws FORBIDDEN for a request that names a foreign host, or that a foreign page sent. */
export function checkOrigin({ headers, socket, rawHeaders, httpVersion }: IncomingMessage, place: Place): void {
  const hosts = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === "host");
  if (hosts.length > 1 || (hosts.length === 0 && httpVersion !== "1.0"))
    throw new LockstepError("INPUT_INVALID", "a request needs one Host header, which names this server");
  const host = headers.host?.toLowerCase() ?? "";
  if (!isOurs(host, socket, place)) {
    throw new LockstepError(
      "FORBIDDEN",
      `this server is not "${shown(host)}": ask it by its address or, on its own machine, by a loopback name, each ` +
        "with the port; or start it with that host allowed (--allowed-host)",
      { host: shown(host) },
    );
  }
  const { origin } = headers;
  if (origin !== undefined) {
    const match = /^https?:\/\/(.+)$/.exec(origin.toLowerCase());
    if (match === null || !isOurs(match[1]!, socket, place)) {
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

/** Throws UNSUPPORTED_MEDIA_TYPE for a body that is packed, or whose characters are not UTF-8. */
export function checkEncoding(headers: IncomingHttpHeaders): void {
  const encoding = headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  if (encoding !== "identity")
    throw new LockstepError(
      "UNSUPPORTED_MEDIA_TYPE",
      `this server unpacks no bodies (content-encoding "${shown(encoding)}"): send it as it is`,
      { contentEncoding: shown(encoding) },
    );
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(headers["content-type"] ?? "")?.[1]?.toLowerCase();
  if (charset !== undefined && charset !== "utf-8" && charset !== "utf8")
    throw new LockstepError(
      "UNSUPPORTED_MEDIA_TYPE",
      `this server reads JSON in UTF-8, not in "${shown(charset)}": send charset=utf-8 or none`,
      { charset: shown(charset) },
    );
}

function shown(value: string): string {
  return value.length > 100 ? `${value.slice(0, 100)}…` : value;
}
