/** Binds the port, or the next free one when that was asked for. */
import type { FastifyInstance } from "fastify";
import { LockstepError } from "../../base/index.ts";
import type { ResolvedHttpOptions } from "./options.ts";

const NEXT = 20;

/** Listens and returns the port. Throws PORT_IN_USE, or OPTION_INVALID for an address that cannot be bound. */
export async function listen(
  app: FastifyInstance,
  { host, port }: Pick<ResolvedHttpOptions, "host" | "port">,
): Promise<number> {
  const candidates =
    typeof port === "number"
      ? [port]
      : [...Array.from({ length: NEXT + 1 }, (_, i) => port.from + i).filter((n) => n <= 65_535), 0];
  for (const candidate of candidates) {
    try {
      await app.listen({ host, port: candidate });
      const address = app.server.address();
      return typeof address === "object" && address !== null ? address.port : candidate;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const canTryNext = code === "EADDRINUSE" || (code === "EACCES" && typeof port !== "number");
      if (!canTryNext) {
        throw new LockstepError(
          "OPTION_INVALID",
          `cannot listen on ${host}:${candidate} (${code ?? String(error)})`,
          { host, port: candidate },
          { cause: error },
        );
      }
    }
  }
  throw new LockstepError(
    "PORT_IN_USE",
    `port ${String(candidates[0])} on ${host} is taken: stop what uses it, or choose another with --port`,
    { host, port: candidates[0]! },
  );
}
