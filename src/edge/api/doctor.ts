/**
 * `doctor`: what is installed here, which runtime answers and why, and what to do where something is missing. Looks
 * only: nothing is written, trained or served.
 */
import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { isLockstepError, stateFolder } from "../../base/index.ts";
import {
  chooseNative,
  presentExecutor,
  whyMissing,
  type NativeInterface,
  type ServingExecutor,
} from "../../numeric/runtime/index.ts";

/** An optional package: what it is for, and whether it can be used. */
export interface DoctorPart {
  readonly name: string;
  readonly purpose: string;
  /** Undefined where it is not installed. */
  readonly version: string | undefined;
  readonly works: boolean;
  /** Why it does not work, and what to do. */
  readonly problem: string | undefined;
}

export interface DoctorReport {
  readonly lockstep: string;
  readonly node: string;
  /** Operating system and architecture, as Node names them: `linux-x64`. */
  readonly platform: string;
  readonly cpu: string;
  /** That this process may use. */
  readonly cores: number;
  readonly memory: { readonly totalMiB: number; readonly freeMiB: number };
  readonly parts: readonly DoctorPart[];
  /** Which arithmetic is used where nobody chooses; undefined where there is none. */
  readonly executor: ServingExecutor | undefined;
  readonly reason: string;
  /** How the native runtime is reached, and why it is not the C interface; undefined where there is none. */
  readonly native: { readonly interface: NativeInterface; readonly reason: string | undefined } | undefined;
  /** Where keys are kept. */
  readonly stateFolder: string;
  /** Whether training and serving are possible here. */
  readonly ok: boolean;
}

const RUNTIMES: Readonly<Record<ServingExecutor, { readonly package: string; readonly purpose: string }>> = {
  native: { package: "onnxruntime-node", purpose: "the native profile: full speed" },
  portable: { package: "onnxruntime-web", purpose: "the portable profile: the same bits on every CPU" },
};

export async function doctor(): Promise<DoctorReport> {
  const names = Object.keys(RUNTIMES) as ServingExecutor[];
  const runtimes = await Promise.all(names.map(runtimePart));
  const { executor, reason } = await chosen();
  return {
    lockstep: packageVersion("lockstep") ?? "unknown",
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memory: { totalMiB: Math.round(totalmem() / 2 ** 20), freeMiB: Math.round(freemem() / 2 ** 20) },
    parts: [...runtimes, tokenizersPart()],
    executor,
    reason,
    native: await reachedNative(),
    stateFolder: stateFolder(),
    ok: executor !== undefined,
  };
}

async function chosen(): Promise<Pick<DoctorReport, "executor" | "reason">> {
  try {
    const { name, missing } = await presentExecutor();
    return { executor: name, reason: missing === undefined ? "it is installed and loads" : missing.message };
  } catch (error) {
    return { executor: undefined, reason: (error as Error).message };
  }
}

async function reachedNative(): Promise<DoctorReport["native"]> {
  try {
    const { interface: reached, reason } = await chooseNative();
    return { interface: reached, reason };
  } catch (error) {
    if (isLockstepError(error) && error.code === "RUNTIME_MISSING") return undefined;
    throw error;
  }
}

async function runtimePart(name: ServingExecutor): Promise<DoctorPart> {
  const { package: library, purpose } = RUNTIMES[name];
  const missing = await whyMissing(name);
  return {
    name: library,
    purpose,
    version: packageVersion(library),
    works: missing === undefined,
    problem: missing?.message,
  };
}

function tokenizersPart(): DoctorPart {
  const version = packageVersion("tokenizers");
  return {
    name: "tokenizers",
    purpose: "tokenizers of strangers' folders that are not plain BERT",
    version,
    works: version !== undefined,
    problem: version === undefined ? "it is not installed; install it with: npm install tokenizers" : undefined,
  };
}

/** Undefined where it is not installed. */
function packageVersion(name: string): string | undefined {
  try {
    const path = findPackageJSON(name, import.meta.url);
    return path === undefined ? undefined : (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
  } catch (error) {
    if ((error as { code?: unknown }).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}
