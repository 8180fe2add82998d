/** The server's options: one strict schema with units, bounds and defaults. */
import { z } from "zod";

const port = z.int().min(0).max(65_535);
const hostName = z
  .string()
  .regex(/^(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d+)?$/, "expected a lower-case host name, with or without :port");

export const httpOptions = z.strictObject({
  /**
   * Address to bind. Others than loopback expose the server to whoever can reach it: by that address, and by the names
   * in `allowedHosts`. @default "127.0.0.1"
   */
  host: z.string().min(1).default("127.0.0.1"),
  /**
   * A port; 0: any free one. `{ from }`: that one or, where it is taken, one of the next twenty, or any free one.
   * @default { from: 7070 }
   */
  port: z.union([port, z.strictObject({ from: port })]).default({ from: 7070 }),
  /**
   * Hosts that a request may name beside the address it came in by (and, on this machine, loopback names); without a
   * port, any port. @default []
   */
  allowedHosts: z.array(hostName).readonly().default([]),
  /** A file (mode 0600) with the key that publishing needs; made when missing. Without it publishing is off. */
  keyFile: z.string().min(1).optional(),
  /** Largest request body, bytes. @default 1 MiB */
  bodyLimit: z
    .int()
    .min(1024)
    .max(64 << 20)
    .default(1 << 20),
  /** Bytes of all bodies over 64 KiB that are arriving or being answered; one address may take half. @default 64 MiB */
  bodyMemory: z
    .int()
    .min(1 << 20)
    .max(16 * (1 << 30))
    .default(64 << 20),
  /**
   * Requests a second for each client address, as a sustained rate; bursts may be twice that. Probes (`/healthz`,
   * `/readyz`) do not count. @default 500
   */
  rateLimit: z.number().positive().max(1e6).default(500),
  /** Time that a request may take to arrive, and then to be answered, milliseconds each. @default 30 s */
  requestTimeoutMs: z.int().min(100).max(600_000).default(30_000),
  /** Open connections; on more, probes are answered and everything else is refused with 503. @default 1024 */
  maxConnections: z.int().min(1).max(65_536).default(1024),
  /** The same for each client address. @default 512 */
  maxConnectionsPerAddress: z.int().min(1).max(65_536).default(512),
  /** Open event streams; more are refused with 503. @default 64 */
  maxStreams: z.int().min(1).max(4096).default(64),
  /** How long `close` waits for answers under way, milliseconds; for half a request, a second at most. @default 10 s */
  drainMs: z.int().min(0).max(600_000).default(10_000),
});

export type HttpOptions = z.input<typeof httpOptions>;
export type ResolvedHttpOptions = Readonly<z.output<typeof httpOptions>>;
