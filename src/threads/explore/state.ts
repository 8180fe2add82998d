/**
 * The state of a program: which buffers are shared in it and what they are called, a copy of its bytes, and a copy of
 * everything else for each thread and schedule. All threads walk it in the same order, so a buffer has the same number
 * in all of them.
 */
import { LockstepError } from "../../base/index.ts";
import { isPortMark, type PortMark } from "./ports.ts";

export interface SharedPart {
  readonly buffer: SharedArrayBuffer;
  /** Where it was met first: `mutex.words`. */
  readonly name: string;
  /** Of the view by which it was met: how its words are counted in a trace. */
  readonly offset: number;
  readonly wordBytes: number;
}

/** Every shared buffer that the state reaches, in order. */
export function sharedParts(state: unknown): readonly SharedPart[] {
  const parts: SharedPart[] = [];
  const seen = new Set<unknown>();
  const add = (buffer: SharedArrayBuffer, name: string, offset: number, wordBytes: number): void => {
    if (!parts.some((part) => part.buffer === buffer))
      parts.push({ buffer, name: name === "" ? "state" : name, offset, wordBytes });
  };
  const walk = (value: unknown, name: string): void => {
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    if (value instanceof SharedArrayBuffer) return add(value, name, 0, 1);
    if (isMemory(value)) return value.buffer instanceof SharedArrayBuffer ? add(value.buffer, name, 0, 4) : undefined;
    if (ArrayBuffer.isView(value)) {
      if (value.buffer instanceof SharedArrayBuffer)
        add(
          value.buffer,
          name,
          value.byteOffset,
          "BYTES_PER_ELEMENT" in value ? (value.BYTES_PER_ELEMENT as number) : 1,
        );
      return;
    }
    const entries: Iterable<[unknown, unknown]> =
      value instanceof Map ? value.entries() : value instanceof Set ? [...value].entries() : Object.entries(value);
    for (const [key, inner] of entries) walk(inner, join(name, key));
  };
  walk(state, "");
  return parts;
}

function join(name: string, key: unknown): string {
  if (typeof key === "number" || (typeof key === "string" && /^\d+$/.test(key))) return `${name}[${key}]`;
  return name === "" ? String(key) : `${name}.${String(key)}`;
}

/** A fresh copy of what is not shared; `port` makes a port of its mark. */
export function copyState(value: unknown, port?: (mark: PortMark) => unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (port !== undefined && isPortMark(value)) return port(value);
  if (value instanceof SharedArrayBuffer || isMemory(value)) return value;
  if (ArrayBuffer.isView(value) && value.buffer instanceof SharedArrayBuffer) return value;
  if (Array.isArray(value)) return value.map((item) => copyState(item, port));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyState(inner, port)]));
  return structuredClone(value);
}

function isMemory(value: object): value is { readonly buffer: ArrayBufferLike } {
  return Object.prototype.toString.call(value) === "[object WebAssembly.Memory]";
}

export class Snapshot {
  readonly parts: readonly SharedPart[];
  readonly #bytes: readonly Uint8Array[];

  constructor(state: unknown) {
    this.parts = sharedParts(state);
    this.#bytes = this.parts.map(({ buffer }) => new Uint8Array(buffer).slice());
  }

  restore(): void {
    this.parts.forEach(({ buffer }, index) => {
      new Uint8Array(buffer).set(this.#bytes[index]!);
    });
  }
}

/** Throws where the state is not what `postMessage` can carry. */
export function requirePostable(state: unknown, program: string): void {
  try {
    structuredClone(state);
  } catch (thrown) {
    throw new LockstepError(
      "OPTION_INVALID",
      `setup of the program "${program}" made a state that cannot be sent to a thread (` +
        `${(thrown as Error).message}); give handles and typed arrays, and attach in the threads`,
      { program },
    );
  }
}

/** Throws where `setup` or `check` returned a promise: nobody would wait for it. */
export function requireSynchronous(returned: unknown, part: "setup" | "check", program: string): void {
  if (!isThenable(returned)) return;
  returned.then(undefined, () => undefined); // what becomes of it is of no interest any more
  throw new LockstepError(
    "OPTION_INVALID",
    `${part} of the program "${program}" is asynchronous: it has to return when it is done`,
    { program },
  );
}

export function isThenable(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
