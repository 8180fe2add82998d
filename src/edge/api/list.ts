/** `list`: what a store holds, without reading any weights. */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { LockstepError } from "../../base/index.ts";
import { openStore } from "../../work/store/index.ts";
import { requirePath } from "./options.ts";
import { isStore } from "./source.ts";

export interface ListedVersion {
  /** 64 hexadecimal characters. */
  readonly name: string;
  readonly aliases: readonly string[];
  /** When its folder was written, ISO 8601 in UTC. */
  readonly created: string;
  /** Of all its files. */
  readonly bytes: number;
  readonly folder: string;
  /** Undefined for a plain folder that was published. */
  readonly labels: number | undefined;
  /** On the test table that its training was given, 0 to 1. */
  readonly testAccuracy: number | undefined;
  /** On the validation split of its training, 0 to 1. */
  readonly validationAccuracy: number | undefined;
  /** Why it cannot be used, as far as that shows without reading every byte (`verify` does). */
  readonly problem: string | undefined;
}

export interface StoreListing {
  readonly store: string;
  /** Oldest first. */
  readonly versions: readonly ListedVersion[];
  /** Alias to version. */
  readonly aliases: Readonly<Record<string, string>>;
}

const share = z.looseObject({ accuracy: z.looseObject({ value: z.number() }).optional() }).optional();
/** The part of `lockstep.json` that a listing shows. */
const facts = z.looseObject({
  labels: z.array(z.unknown()).optional(),
  metrics: z.looseObject({ test: share, validation: share }).optional(),
});
const MAX_FACTS_BYTES = 16 << 20;

/** @throws NOT_FOUND unless `path` is a store; STORE_CORRUPT */
export async function list(path: string): Promise<StoreListing> {
  requirePath(path, "the store that list takes");
  if (!(await isStore(path))) await openStore(path); // says what is there instead
  const store = await openStore(path);
  const [stored, aliases] = await Promise.all([store.list(), store.aliases()]);
  const versions = await Promise.all(
    stored.map(async ({ name, aliases: own, createdAt, bytes, problem }) => {
      const folder = join(store.root, "versions", name);
      const known = await readFacts(join(folder, "lockstep.json"));
      return {
        name,
        aliases: own,
        created: new Date(createdAt).toISOString(),
        bytes,
        folder,
        problem: problem ?? known.problem,
        labels: known.labels,
        testAccuracy: known.testAccuracy,
        validationAccuracy: known.validationAccuracy,
      };
    }),
  );
  return { store: store.root, versions, aliases: Object.fromEntries(aliases) };
}

async function readFacts(
  path: string,
): Promise<Partial<Pick<ListedVersion, "labels" | "testAccuracy" | "validationAccuracy" | "problem">>> {
  try {
    const parsed = facts.parse(JSON.parse(await readSmall(path)));
    return {
      labels: parsed.labels?.length,
      testAccuracy: parsed.metrics?.test?.accuracy?.value,
      validationAccuracy: parsed.metrics?.validation?.accuracy?.value,
    };
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return {};
    return { problem: "lockstep.json cannot be read" };
  }
}

async function readSmall(path: string): Promise<string> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  if (size > MAX_FACTS_BYTES) throw new LockstepError("INPUT_TOO_LARGE", `${path} has ${size} bytes`, { path });
  return await file.readFile("utf8");
}
