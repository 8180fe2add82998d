/** Programs that cannot be explored as they are: each is refused, at once, with what is wrong with it. */
import { EventEmitter } from "node:events";
import { program } from "../../src/threads/explore/index.ts";

type Words = Int32Array<SharedArrayBuffer>;
const setup = (): { w: Words } => ({ w: new Int32Array(new SharedArrayBuffer(4)) });
const add = ({ w }: { w: Words }): void => void Atomics.add(w, 0, 1);

export const returnsFunction = program(import.meta.url, { setup, threads: [add, () => ({ close: () => {} })] });
export const notesFunction = program(import.meta.url, {
  setup,
  threads: [(_, { operation }) => void operation("open", null, () => ({ close: () => {} }))],
});
export const setupThrows = program(import.meta.url, {
  setup: (): { w: Words } => {
    throw new TypeError("no memory today");
  },
  threads: [add],
});
export const setupAsync = program(import.meta.url, { setup: () => Promise.resolve(setup()), threads: [() => {}] });
export const checkAsync = program(import.meta.url, {
  setup,
  threads: [add],
  check: () => Promise.reject(new Error("never seen")),
});
export const exits = program(import.meta.url, {
  setup,
  threads: [
    add,
    ({ w }) => {
      if (Atomics.load(w, 0) === 1) process.exit(3);
    },
  ],
});
export const throwsOutside = program(import.meta.url, {
  setup,
  threads: [
    async ({ w }) => {
      new EventEmitter().on("x", () => {});
      queueMicrotask(() => {
        throw new RangeError("outside of everything");
      });
      await Promise.resolve();
      Atomics.add(w, 0, 1);
    },
  ],
});
export const grows = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: new Int32Array(new SharedArrayBuffer(4, { maxByteLength: 64 })) }),
  threads: [
    ({ w }) => {
      try {
        w.buffer.grow(32);
      } catch {
        // it is not this program's to catch
      }
    },
  ],
});
export const proxies = program(import.meta.url, {
  setup,
  threads: [({ w }) => new Proxy(w, {})[0]],
});
/** Not refused, and a race: each reads an element in a way of its own. */
export const racesUnusually = [
  ({ w }: { w: Words }): unknown => {
    const { 0: x } = w;
    return x;
  },
  ({ w }: { w: Words }): unknown => {
    const { length, ...rest } = w;
    return [length, rest];
  },
  ({ w }: { w: Words }): unknown => {
    const box = { w } as { w?: Words };
    return box?.w?.[0];
  },
  ({ w }: { w: Words }): unknown => Reflect.get(w, 0),
  ({ w }: { w: Words }): unknown => JSON.stringify({ w }),
  ({ w }: { w: Words }): unknown => Math.max.apply(null, w as unknown as number[]),
].map((read) => program(import.meta.url, { setup, threads: [add, read] }));
export const growsMemory = program(import.meta.url, {
  setup: () => {
    const { WebAssembly } = globalThis as unknown as {
      WebAssembly: { Memory: new (limits: object) => { grow(pages: number): number } };
    };
    return { memory: new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true }) };
  },
  threads: [({ memory }) => void memory.grow(1)],
});
/** What a thread makes for itself may grow: nobody else sees it. */
export const growsOwn = program(import.meta.url, {
  setup,
  threads: [
    ({ w }) => {
      const own = new Uint8Array(new SharedArrayBuffer(1, { maxByteLength: 8 }));
      own.buffer.grow(8);
      own[7] = 3;
      Atomics.add(w, 0, own[7] + own.length);
    },
  ],
  check: ({ w }) => {
    if (w[0] !== 11) throw new Error(`${w[0]}`);
  },
});
export const sendsOwn = program(import.meta.url, {
  setup: () => {
    const { port1, port2 } = new MessageChannel();
    return { port1, port2 };
  },
  threads: [
    ({ port1 }) => {
      port1.postMessage(new SharedArrayBuffer(4));
    },
  ],
});

/** Ended by a signal only. */
export const endlessCheck = program(import.meta.url, {
  setup,
  threads: [add],
  check: () => {
    for (;;);
  },
});
export const endlessSetup = program(import.meta.url, {
  setup: (): { w: Words } => {
    for (;;);
  },
  threads: [add],
});
export const endlessThread = program(import.meta.url, {
  setup,
  threads: [
    () => {
      for (;;);
    },
  ],
});
