/**
 * `publish`: makes a folder a version of a store, moves an alias to a version, and tells a running server. What cannot
 * be loaded, or whose numbers its self-check does not trust, is never published; the alias moves in one step, so a
 * reader sees the old version or the new one.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import {
  ERROR_TABLE,
  type ErrorCode,
  isLockstepError,
  LockstepError,
  parseOptions,
  stateFolder,
} from "../../base/index.ts";
import { openStore, type Store, type VersionRef } from "../../work/store/index.ts";
import { aliasSchema, pathSchema, requirePath, signalSchema } from "./options.ts";
import { requirePublishable } from "./publishable.ts";
import { DEFAULT_ALIAS, isStore, openModelFolder, openPublishSource } from "./source.ts";

const publishSchema = z.strictObject({
  alias: z.union([aliasSchema, z.literal(false)]).default(DEFAULT_ALIAS),
  expected: z.string().min(1).nullable().optional(),
  server: z.url({ protocol: /^https?$/ }).optional(),
  keyFile: pathSchema.optional(),
  signal: signalSchema,
});

export interface PublishOptions {
  /** Moved to the version; false moves none. @default "champion" */
  readonly alias?: string | false | undefined;
  /**
   * Move the alias only if it names this version now (null: only if there is no such alias); otherwise CONFLICT. Not
   * with `server`.
   */
  readonly expected?: string | null | undefined;
  /**
   * Address of a running server of this store, such as http://127.0.0.1:7070: it loads the version, swaps it in and
   * moves the alias.
   */
  readonly server?: string | undefined;
  /** The file with the server's key. @default the one in `$LOCKSTEP_HOME` that `serve` uses */
  readonly keyFile?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PublishResult {
  readonly version: string;
  readonly folder: string;
  readonly store: string;
  readonly alias: string | undefined;
  /** What the alias named before; undefined where there was no such alias. */
  readonly previous: string | undefined;
  /** The server that now answers with the version. */
  readonly server: string | undefined;
}

/**
 * `source`: an alias, a version's name (or four characters of one) in the store, or a folder in the Hugging Face
 * layout.
 * @throws NOT_FOUND, CONFLICT, VERSION_CORRUPT, MODEL_INVALID, WEIGHTS_INVALID, TOKENIZER_INVALID; what the server
 * answers
 */
export async function publish(path: string, source: string, options: PublishOptions = {}): Promise<PublishResult> {
  const {
    alias: wanted,
    expected,
    server,
    keyFile,
    signal,
  } = parseOptions(publishSchema, options, "the options of publish");
  requirePath(path, "the store that publish takes");
  requirePath(source, "the version or folder that publish takes");
  const alias = wanted === false ? undefined : wanted;
  if (server !== undefined && alias === undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      "a server is told which alias to move, so publishing into one needs an alias",
    );
  if (server !== undefined && expected !== undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      "a server moves the alias whatever it names now; leave `expected` out, or publish without the server",
    );
  const key = server === undefined ? undefined : await readKey(keyFile ?? join(stateFolder(), "publish-key"));

  const { store, name, folder } = await take(path, source);
  const previous = alias === undefined ? undefined : (await store.aliases()).get(alias);
  if (server !== undefined && key !== undefined)
    await tellServer(server, key, { source: name, alias: alias ?? DEFAULT_ALIAS }, signal);
  else if (alias !== undefined)
    await store.setAlias(
      alias,
      name,
      expected === undefined ? {} : { expected: expected === null ? null : (await store.resolve(expected)).name },
    );
  return { version: name, folder, store: store.root, alias, previous, server };
}

/**
 * The source as a version of the store, proven to load and to compute. A store that is not there yet is made for a
 * folder only.
 */
async function take(path: string, source: string): Promise<VersionRef & { readonly store: Store }> {
  if (await isVersionOf(path, source)) {
    const store = await openStore(path);
    const version = await openPublishSource(store, source);
    await requirePublishable(version);
    return { store, ...(await store.resolve(version.name)) };
  }
  const version = await openModelFolder(source);
  await requirePublishable(version);
  const store = await openStore(path, { create: true });
  return { store, ...(await store.publish(version.files)) };
}

/**
 * What the store knows comes before a folder of the same name, and what is no folder can only be meant as a version.
 */
async function isVersionOf(path: string, source: string): Promise<boolean> {
  if (!(await isFolder(source))) return true;
  if (/[\\/]/.test(source) || !(await isStore(path))) return false;
  try {
    await (await openStore(path)).resolve(source);
    return true;
  } catch (thrown) {
    if (isLockstepError(thrown) && thrown.code === "NOT_FOUND") return false;
    throw thrown;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && (thrown.code === "ENOENT" || thrown.code === "ENOTDIR"))
      return false;
    throw thrown;
  }
}

async function readKey(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (thrown) {
    throw new LockstepError(
      "NOT_FOUND",
      `cannot read the key file ${path}; the server makes it when it starts, so name the one that it was started with`,
      { path },
      { cause: thrown },
    );
  }
}

const answer = z.looseObject({ error: z.looseObject({ code: z.string(), message: z.string() }) });

/** The key goes to the server named and nowhere else: no redirect is followed. */
async function tellServer(
  server: string,
  key: string,
  body: { readonly source: string; readonly alias: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  const url = new URL("/v1/models/publish", server);
  const response = await fetch(url, {
    method: "POST",
    redirect: "error",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  }).catch((thrown: unknown) => {
    throw signal?.aborted === true
      ? new LockstepError("CANCELLED", "publishing was interrupted; whether the server had it already is not known", {
          server,
        })
      : new LockstepError(
          "SERVER_UNREACHABLE",
          `no answer from ${url.origin}; is the server running there?`,
          { server },
          { cause: thrown },
        );
  });
  if (response.ok) return;
  const parsed = answer.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success)
    throw new LockstepError(
      "SERVER_UNREACHABLE",
      `${url.origin} answered ${response.status}, and not as a Lockstep server does`,
      { server, status: response.status },
    );
  const { code, message } = parsed.data.error;
  throw new LockstepError(isErrorCode(code) ? code : "INTERNAL", `the server ${url.origin} refused: ${message}`, {
    server,
    status: response.status,
  });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_TABLE, code);
}
