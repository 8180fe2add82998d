/**
 * Where the functions of ONNX Runtime's C interface lie. The library exports one symbol, `OrtGetApiBase`; everything
 * else is a table of pointers (`struct OrtApi` in onnxruntime_c_api.h) that only ever grows at its end, so a function
 * keeps its position for ever. `scripts/c-table.ts HEADER` finds the positions again from a header and compares them:
 * they are the same in those of 1.21 to 1.29, and the library of 1.30 gives one table for every version it is asked
 * for. The youngest function used here is of 1.18.
 */

/** What the table is asked for: any library from 1.18 on has it. */
export const API_VERSION = 18;

/** Versions of onnxruntime-node that all tests have run with. Another is used through its own binding. */
export const PROVEN_VERSIONS: readonly string[] = ["1.30.0"];

/** Platforms that all tests have run on. On another the first use tries it in a process of its own (probe.ts). */
export const PROVEN_PLATFORMS: readonly string[] = ["linux-x64"];

/**
 * How a function is called: `status` gives an `OrtStatus*`, null for success; `void` gives nothing; `pointer` gives a
 * pointer. Parameters, one letter each: p pointer, z size_t, i int32_t
 * (enumerations too), s text, f file name.
 */
export interface TableEntry {
  readonly position: number;
  readonly gives: "status" | "void" | "pointer";
  readonly takes: string;
}

const status = (position: number, takes: string): TableEntry => ({ position, gives: "status", takes });
const nothing = (position: number, takes: string): TableEntry => ({ position, gives: "void", takes });
const pointer = (position: number, takes: string): TableEntry => ({ position, gives: "pointer", takes });

export const TABLE = {
  GetErrorMessage: pointer(2, "p"),
  CreateEnv: status(3, "isp"),
  CreateSessionFromArray: status(8, "ppzpp"),
  Run: status(9, "ppppzpzp"),
  CreateSessionOptions: status(10, "p"),
  EnableProfiling: status(14, "pf"),
  SetSessionLogSeverityLevel: status(22, "pi"),
  SetSessionGraphOptimizationLevel: status(23, "pi"),
  SetIntraOpNumThreads: status(24, "pi"),
  SetInterOpNumThreads: status(25, "pi"),
  CreateRunOptions: status(39, "p"),
  RunOptionsSetRunLogSeverityLevel: status(41, "pi"),
  RunOptionsSetTerminate: status(46, "p"),
  RunOptionsUnsetTerminate: status(47, "p"),
  CreateTensorWithDataAsOrtValue: status(49, "ppzpzip"),
  CreateCpuMemoryInfo: status(69, "iip"),
  ReleaseStatus: nothing(93, "p"),
  ReleaseSession: nothing(95, "p"),
  ReleaseValue: nothing(96, "p"),
  ReleaseRunOptions: nothing(97, "p"),
  ReleaseSessionOptions: nothing(100, "p"),
  AddInitializer: status(150, "psp"),
  CreatePrepackedWeightsContainer: status(166, "p"),
  ReleasePrepackedWeightsContainer: nothing(167, "p"),
  CreateSessionFromArrayWithPrepackedWeightsContainer: status(169, "ppzppp"),
  AddExternalInitializers: status(210, "pppz"),
  GetBuildInfoString: pointer(254, ""),
  AddExternalInitializersFromFilesInMemory: status(279, "ppppz"),
} as const satisfies Readonly<Record<string, TableEntry>>;

export type CFunction = keyof typeof TABLE;
