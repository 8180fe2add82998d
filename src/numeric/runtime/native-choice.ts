/**
 * How the native runtime is reached: through the library's C interface (c-api.ts), or through the binding of its
 * package, which copies each result once more and cannot end a run. Both give the same bits, so the profile does not
 * say which. The C interface is used where it has been tried: on a proven platform with a proven version at once,
 * elsewhere after a trial in a process of its own, whose verdict is kept. Whatever is wrong with it, the binding
 * serves, and says why.
 */
import { execFile } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { canonicalJson, LockstepError, makeFolder, ownFile, stateFolder } from "../../base/index.ts";
import type { CApi } from "./c-api.ts";
import { PROVEN_PLATFORMS, PROVEN_VERSIONS } from "./c-table.ts";
import { missingLibrary } from "./ort.ts";
import { tryOut } from "./try-out.ts";

const NATIVE_VARIABLE = "LOCKSTEP_NATIVE";
const NATIVE_INTERFACES = ["c-api", "binding"] as const;
export type NativeInterface = (typeof NATIVE_INTERFACES)[number];

/** Which interface is used in this process, and why it is not the C interface. */
export interface NativeChoice {
  readonly interface: NativeInterface;
  /** Whether the environment asked for it. */
  readonly asked: boolean;
  /** Undefined where it is the C interface. */
  readonly reason?: string;
  /** The library's version and its own words about its build, the same by either way. */
  readonly build: string;
}

type Choice = NativeChoice & { readonly api: CApi | null };

const BUILD_INFO = "ORT Build Info: ";
const PACKAGE = "onnxruntime-node";
const LIBRARIES: Readonly<Record<string, string>> = {
  linux: "libonnxruntime.so.1",
  darwin: "libonnxruntime.1.dylib",
  win32: "onnxruntime.dll",
};
const TRIAL_MS = 60_000;

let chosen: Promise<Choice> | undefined;

/**
 * The choice of this process: the same on each of its threads.
 * @throws RUNTIME_MISSING where the package is not installed, or where LOCKSTEP_NATIVE=c-api asks for what does not
 *   load; OPTION_INVALID for another value of that variable
 */
export function chooseNative(): Promise<Choice> {
  chosen ??= choose().then(
    (choice) => {
      inUse = choice.interface;
      return choice;
    },
    (thrown: unknown) => {
      chosen = undefined; // a package may be installed meanwhile
      throw thrown;
    },
  );
  return chosen;
}

/** The interface that this thread has chosen, if it has. */
export function nativeInUse(): NativeInterface | undefined {
  return inUse;
}

let inUse: NativeInterface | undefined;

async function choose(): Promise<Choice> {
  const asked = askedFor();
  const { path, version } = installed();
  if (asked === "binding")
    return { ...(await binding(path, version, `${NATIVE_VARIABLE}=binding asks for it`)), asked: true };
  try {
    if (asked === undefined) await requireProven(path, version);
    const { openCApi } = await import("./c-api.ts");
    const api = await openCApi(path);
    if (api.version !== version)
      throw new Error(`the package is ${version}, but its library says that it is ${api.version}`);
    if (asked === "c-api" || PROVEN_PLATFORMS.includes(platform())) await tryOut(api);
    return { interface: "c-api", asked: asked !== undefined, build: buildOf(version, api.buildInfo), api };
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    if (asked === "c-api")
      throw new LockstepError(
        "RUNTIME_MISSING",
        `${NATIVE_VARIABLE}=c-api asks for ONNX Runtime's C interface, which does not work here: ${why}. Unset it, ` +
          "and the package's binding is used",
        { variable: NATIVE_VARIABLE },
        { cause: thrown },
      );
    return binding(path, version, why);
  }
}

function askedFor(): NativeInterface | undefined {
  const value = process.env[NATIVE_VARIABLE];
  if (value === undefined || value === "") return undefined;
  const known = NATIVE_INTERFACES.find((name) => name === value);
  if (known === undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      `${NATIVE_VARIABLE} is one of ${NATIVE_INTERFACES.join(", ")}, not ${JSON.stringify(value)}`,
      { variable: NATIVE_VARIABLE, value },
    );
  return known;
}

async function binding(path: string, version: string, reason: string): Promise<Choice> {
  return { interface: "binding", asked: false, reason, build: buildOf(version, await buildInfoIn(path)), api: null };
}

function buildOf(version: string, buildInfo: string): string {
  return `${PACKAGE} ${version}, ${buildInfo.replace(BUILD_INFO, "")}`;
}

function platform(): string {
  return `${process.platform}-${process.arch}`;
}

function installed(): { readonly path: string; readonly version: string } {
  try {
    const found = findPackageJSON(import.meta.resolve(PACKAGE)) ?? "";
    const { version } = JSON.parse(readFileSync(found, "utf8")) as { readonly version: string };
    const file = LIBRARIES[process.platform] ?? "libonnxruntime.so.1";
    return { path: join(dirname(found), "bin", "napi-v6", process.platform, process.arch, file), version };
  } catch (cause) {
    throw missingLibrary(PACKAGE, cause);
  }
}

/** What `GetBuildInfoString` would say, found in the library's own bytes. */
async function buildInfoIn(path: string): Promise<string> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0)); // where it is missing the binding says so
  const at = bytes.indexOf(BUILD_INFO);
  return at < 0 ? "unknown build" : bytes.toString("latin1", at, bytes.indexOf(0, at));
}

/** Throws, with the reason, where the C interface is not to be trusted. */
async function requireProven(path: string, version: string): Promise<void> {
  if (!PROVEN_VERSIONS.includes(version))
    throw new Error(`its C interface was tried with ONNX Runtime ${PROVEN_VERSIONS.join(", ")}, not with ${version}`);
  if (PROVEN_PLATFORMS.includes(platform())) return;
  const verdict = readVerdict(version) ?? keepVerdict(version, await trial(path));
  if (!verdict.works)
    throw new Error(`its C interface does not work on ${platform()}: ${verdict.why} (kept in ${verdictPath(version)})`);
}

/** What came of the trial of a version on a platform. */
const VERDICT = z.object({ format: z.literal(1), works: z.boolean(), why: z.string() });
type Verdict = z.infer<typeof VERDICT>;

function verdictPath(version: string): string {
  return join(stateFolder(), "native", `${platform()}-${version}-node-${process.versions.modules}.json`);
}

function readVerdict(version: string): Verdict | undefined {
  try {
    return VERDICT.parse(JSON.parse(readFileSync(verdictPath(version), "utf8")));
  } catch {
    return undefined; // none yet, or not whole: it is tried again
  }
}

function keepVerdict(version: string, verdict: Verdict): Verdict {
  const path = verdictPath(version);
  try {
    makeFolder(dirname(path), 0o700);
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, `${canonicalJson(verdict)}\n`);
    renameSync(temporary, path);
  } catch {
    // where nothing can be kept, the next process tries again
  }
  return verdict;
}

/** In a process of its own: what goes wrong in native code takes the process with it. */
function trial(path: string): Promise<Verdict> {
  const entry = fileURLToPath(ownFile(() => import.meta.resolve("#entry/numeric/runtime/trial")));
  // Of this process's own flags only what the sources need: `-e`, `--inspect-brk` and their like are not for it.
  const flags = process.execArgv.filter((flag) => flag.startsWith("--conditions="));
  const { promise, resolve } = Promise.withResolvers<Verdict>();
  execFile(process.execPath, [...flags, entry, path], { timeout: TRIAL_MS }, (error, stdout, stderr) => {
    const works = error === null && stdout.trim() === "works";
    const ended = error === null ? "" : `the trial ended with ${error.signal ?? error.code ?? "an error"}`;
    resolve({ format: 1, works, why: works ? "" : [ended, stderr.trim().split("\n").at(-1) ?? ""].join(" ").trim() });
  });
  return promise;
}
