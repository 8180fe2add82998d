/** What a store or a checkpoint folder says about itself, as text; throws when anything in it is damaged. */
import { loadLatestCheckpoint, openStore, type FileSystem } from "../../../src/work/store/index.ts";

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export const FIRST = new Map([
  ["config.json", bytes('{"a":1}')],
  ["model.safetensors", bytes("first weights")],
]);
export const SECOND = new Map([
  ["config.json", bytes('{"a":2}')],
  ["model.safetensors", bytes("second weights")],
  ["1_Pooling/config.json", bytes("{}")],
]);

/** Opens the store as a process would after a crash. Versions are all read and checked. */
export async function storeState(
  root: string,
  fs?: FileSystem,
): Promise<{ versions: string[]; aliases: [string, string][] }> {
  const store = await openStore(root, fs === undefined ? {} : { fs });
  const versions = (await store.list()).map(({ name }) => name).sort();
  for (const version of versions) await store.open(version);
  const aliases = [...(await store.aliases())];
  for (const [alias] of aliases) await store.open(alias);
  return { versions, aliases };
}

export async function checkpointState(folder: string, fs?: FileSystem): Promise<string> {
  const loaded = await loadLatestCheckpoint(folder, fs);
  if (loaded === undefined) return "none";
  return (
    `step ${loaded.step} ${JSON.stringify(loaded.meta)} ` +
    `${[...loaded.buffers].map(([name, content]) => `${name}=${Buffer.from(content).toString()}`).join()} ` +
    `skipped ${loaded.skipped.length}`
  );
}
