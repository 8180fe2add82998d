/** Executors by name, and which of them this machine has. */
import { isLockstepError, LockstepError } from "../../base/index.ts";
import type { Executor, ExecutorName } from "./contract.ts";
import { createNativeExecutor } from "./native.ts";
import type { NativeOptions, PortableOptions } from "./options.ts";
import { createPortableExecutor } from "./portable.ts";
import { createReferenceExecutor } from "./reference.ts";

export interface ExecutorOptions {
  readonly reference: Readonly<Record<never, never>>;
  readonly native: NativeOptions;
  readonly portable: PortableOptions;
}

const CREATE: { readonly [Name in ExecutorName]: (options: ExecutorOptions[Name]) => Promise<Executor> } = {
  reference: async () => createReferenceExecutor(),
  native: createNativeExecutor,
  portable: createPortableExecutor,
};
export const EXECUTOR_NAMES = Object.keys(CREATE) as readonly ExecutorName[];

/** RUNTIME_MISSING, with the line that installs it, where its package is not there or does not load on this machine. */
export function createExecutor<Name extends ExecutorName>(
  name: Name,
  options?: ExecutorOptions[Name],
): Promise<Executor> {
  if (!Object.hasOwn(CREATE, name))
    throw new LockstepError(
      "OPTION_INVALID",
      `no executor is called ${JSON.stringify(name)}; there are ${EXECUTOR_NAMES.join(", ")}`,
      { executor: name },
    );
  return CREATE[name](options ?? {});
}

/** What serves where nobody has chosen: full speed first. */
const PREFERRED = ["native", "portable"] as const;
export type ServingExecutor = (typeof PREFERRED)[number];

/**
 * `wanted` where it is installed and loads, else the other one: either of them is enough. `missing` says why the wanted
 * one is not used.
 * @throws RUNTIME_MISSING, with the line that installs the wanted one, where neither loads
 */
export async function presentExecutor(
  wanted: ServingExecutor = "native",
): Promise<{ readonly name: ServingExecutor; readonly missing?: LockstepError }> {
  const missing = await whyMissing(wanted);
  if (missing === undefined) return { name: wanted };
  for (const name of PREFERRED) if (name !== wanted && (await whyMissing(name)) === undefined) return { name, missing };
  throw missing;
}

/** Undefined where it loads. */
export async function whyMissing(name: ServingExecutor): Promise<LockstepError | undefined> {
  try {
    await createExecutor(name);
    return undefined;
  } catch (error) {
    if (isLockstepError(error) && error.code === "RUNTIME_MISSING") return error;
    throw error;
  }
}

/** Loads each once to see; the reference interpreter is always there. */
export async function availableExecutors(): Promise<readonly ExecutorName[]> {
  const found = await Promise.all(
    EXECUTOR_NAMES.map(async (name) => (name === "reference" || (await whyMissing(name)) === undefined ? [name] : [])),
  );
  return found.flat();
}
