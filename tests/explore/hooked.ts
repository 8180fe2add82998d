/**
 * A thread in which one function of a module is called: with the module loaded through the hook and the sink told, or
 * as it is.
 */
import { parentPort, workerData } from "node:worker_threads";
import { installAccess } from "../../src/threads/explore/instrument/builtins.ts";
import { installLoadHook } from "../../src/threads/explore/instrument/hooks.ts";

export interface Job {
  /** "all": other packages too. */
  readonly hook: "none" | "default" | "all";
  readonly url: string;
  readonly call: string;
  readonly args: readonly unknown[];
}

export interface Done {
  readonly result?: unknown;
  readonly error?: string;
  readonly stack?: string;
  readonly told: readonly string[];
}

const { hook, url, call, args } = workerData as Job;
const told: string[] = [];
if (hook !== "none") {
  installAccess({
    plain: (_buffer, byteOffset, byteLength, write) => {
      told.push(`${write ? "w" : "r"} ${byteOffset}+${byteLength}`);
    },
  });
  installLoadHook(hook === "all" ? { include: (file) => !file.includes("/explore/instrument/") } : {});
}
try {
  const module = (await import(url)) as Record<string, (...given: readonly unknown[]) => unknown>;
  parentPort!.postMessage({ result: await module[call]!(...args), told } satisfies Done);
} catch (error) {
  const { name, message, stack } = error as Error;
  parentPort!.postMessage({ error: `${name}: ${message}`, stack: stack ?? "", told } satisfies Done);
}
