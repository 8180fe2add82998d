/** A store of tiny versions with made-up weights (nothing is trained), and a service over it as `serve` has it. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ServingFigures } from "../../src/edge/api/figures.ts";
import { Service } from "../../src/edge/api/service.ts";
import { openSource } from "../../src/edge/api/source.ts";
import type { WireAnswer } from "../../src/edge/http/index.ts";
import { openAuditLog, type AuditLog } from "../../src/work/audit/index.ts";
import { Model, type ModelOptions } from "../../src/work/model/index.ts";
import { openStore, type FileSystem } from "../../src/work/store/index.ts";
import { tinyFiles } from "../serve/tiny-version.ts";

export interface MadeStore extends AsyncDisposable {
  readonly folder: string;
  readonly store: string;
  readonly versions: readonly string[];
}

/** The alias "champion" names the first of them. Until it is disposed of, the process's keys lie there too. */
export async function madeStore(seeds: readonly number[]): Promise<MadeStore> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-made-"));
  const path = join(folder, "store");
  const store = await openStore(path, { create: true });
  const versions: string[] = [];
  for (const seed of seeds) versions.push((await store.publish(tinyFiles(seed))).name);
  await store.setAlias("champion", versions[0]!);
  const before = process.env["LOCKSTEP_HOME"];
  process.env["LOCKSTEP_HOME"] = join(folder, "home");
  return {
    folder,
    store: path,
    versions,
    async [Symbol.asyncDispose]() {
      if (before === undefined) delete process.env["LOCKSTEP_HOME"];
      else process.env["LOCKSTEP_HOME"] = before;
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** A folder in the Hugging Face layout. */
export async function writeFolder(folder: string, files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  for (const [name, bytes] of files) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), new Uint8Array(bytes));
  }
  return folder;
}

export interface Served extends AsyncDisposable {
  readonly model: Model;
  readonly service: Service;
  readonly audit: AuditLog | undefined;
  readonly errors: Error[];
  ask(text: string, model?: string): Promise<readonly WireAnswer<"classify">[]>;
}

/** With `fs` the service's own writing goes through it; with `receipts` answers are recorded there. */
export async function served(
  path: string,
  { fs, receipts, ...options }: ModelOptions & { readonly fs?: FileSystem; readonly receipts?: string } = {},
): Promise<Served> {
  const source = await openSource(path, undefined);
  const store = fs === undefined ? source.store : await openStore(path, { fs });
  const model = await Model.open({ ...source, store }, { threads: 1, ...options });
  const audit = receipts === undefined ? undefined : await openAuditLog(receipts);
  const errors: Error[] = [];
  const service = new Service({
    status: { state: "failed", code: "SHUTTING_DOWN", message: "not yet" },
    figures: new ServingFigures(),
    onError: (error) => errors.push(error),
  });
  await service.begin(model, audit);
  return {
    model,
    service,
    audit,
    errors,
    ask: (text, wanted) =>
      service.ask("classify", {
        questions: [text],
        options: { topK: 2 },
        model: wanted,
        signal: new AbortController().signal,
      }),
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await audit?.close();
      await model.close();
    },
  };
}
