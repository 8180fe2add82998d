/**
 * Whether a version may be published: it loads, packed as it will be served, and its self-check trusts its numbers. The
 * server finds that out when it loads its replicas; whoever publishes without a server asks here.
 */
import { isLockstepError, LockstepError } from "../../base/index.ts";
import { readLockstepFile, readVersion } from "../../work/infer/index.ts";
import { openModelReplica } from "../../work/model/index.ts";
import type { NamedFiles } from "../../work/store/index.ts";

/** @throws what reading the version throws; WEIGHTS_INVALID where its numbers cannot be trusted; RUNTIME_MISSING */
export async function requirePublishable({ name, files }: NamedFiles): Promise<void> {
  readVersion(files); // cheap, and says more than a thread that could not start
  try {
    const replica = await openModelReplica({ files, own: readLockstepFile(files) });
    await replica.close();
  } catch (thrown) {
    throw notPublishable(name, thrown);
  }
}

/** A failed self-check as what it is for whoever publishes: a version that is refused, not a server that has failed. */
export function notPublishable(name: string, thrown: unknown): unknown {
  if (!isLockstepError(thrown) || (thrown.code !== "NUMERICS_UNTRUSTED" && thrown.code !== "NON_FINITE")) return thrown;
  return new LockstepError(
    "WEIGHTS_INVALID",
    `version ${name.slice(0, 12)} is not published, since its numbers cannot be trusted here: ${thrown.message}`,
    { version: name },
    { cause: thrown },
  );
}
