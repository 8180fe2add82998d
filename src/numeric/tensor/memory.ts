/**
 * The part of the WebAssembly API that Lockstep uses, typed here: TypeScript declares it only together with a browser's
 * globals, which no file of ours should see.
 */
import { LockstepError } from "../../base/index.ts";

/** A shared `WebAssembly.Memory` of fixed size. `postMessage` hands it to a worker, where it is the same memory. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
}

/** A compiled `WebAssembly.Module`; `postMessage` hands it to a worker. */
export interface WasmModule {
  readonly [Symbol.toStringTag]: "WebAssembly.Module";
}

interface WebAssemblyApi {
  readonly Memory: new (limits: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: true;
  }) => SharedMemory;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: { readonly env: { readonly memory: SharedMemory } },
  ) => { readonly exports: unknown };
}

const api = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;

export const WASM_PAGE = 65_536;
/** What 32-bit addresses reach. */
export const MAX_MEMORY_BYTES = 0x1_0000_0000;

/** `bytes` is a multiple of 64 KiB; all zeros. */
export function newSharedMemory(bytes: number): SharedMemory {
  try {
    return new api.Memory({ initial: bytes / WASM_PAGE, maximum: bytes / WASM_PAGE, shared: true });
  } catch (error) {
    throw new LockstepError(
      "INPUT_TOO_LARGE",
      `no shared memory of ${bytes} bytes could be had; free some memory, or take a smaller model`,
      { bytes },
      { cause: error },
    );
  }
}

export function compileWasm(bytes: Uint8Array): WasmModule {
  return new api.Module(bytes);
}

/** The exports of a module that imports nothing but `env.memory`. */
export function instantiate(module: WasmModule, memory: SharedMemory): unknown {
  return new api.Instance(module, { env: { memory } }).exports;
}
