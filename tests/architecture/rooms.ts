/**
 * The table of rooms and arrows (docs/architecture.md): which room may import which, and which room alone may import a
 * library. An arrow that is not here does not exist; adding one is a decision about the design, not a fix of a test.
 */

/** Every room with the rooms that it may import, beside base. "floor/*" is all rooms of a floor. */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  base: [],

  "numeric/tensor": [],
  "numeric/kernels": ["numeric/tensor"],
  "numeric/graph": ["numeric/tensor"],
  "numeric/autodiff": ["numeric/graph"],
  "numeric/runtime": ["numeric/graph", "numeric/kernels", "numeric/tensor"],

  "threads/sync": [],
  "threads/explore": ["threads/sync"],
  "threads/pool": ["threads/sync"],
  "threads/collective": ["threads/sync", "numeric/kernels", "numeric/tensor"],

  "language/text": [],
  "language/data": ["language/text"],
  "language/models": ["numeric/graph", "numeric/tensor"],

  "work/store": ["language/*", "threads/*", "numeric/*"],
  "work/infer": ["work/store", "language/*", "threads/*", "numeric/*"],
  "work/generate": ["work/infer", "language/*", "threads/*", "numeric/*"],
  "work/tasks": ["work/infer", "language/*", "threads/*", "numeric/*"],
  "work/train": ["work/infer", "work/store", "language/*", "threads/*", "numeric/*"],
  "work/audit": ["work/tasks", "work/infer", "work/store", "language/*", "threads/*", "numeric/*"],
  "work/serve": ["work/tasks", "work/infer", "work/audit", "language/*", "threads/*", "numeric/*"],
  "work/model": [
    "work/serve",
    "work/tasks",
    "work/train",
    "work/infer",
    "work/store",
    "language/*",
    "threads/*",
    "numeric/*",
  ],
  "work/evaluate": ["work/tasks", "work/infer", "language/*", "threads/*", "numeric/*"],
  "work/compress": ["work/train", "work/infer", "language/*", "threads/*", "numeric/*"],
  "work/cluster": ["work/serve", "language/*", "threads/*", "numeric/*"],

  // Routes and contract only: what computes answers is handed in as an interface. What can be asked, the tasks say.
  "edge/http": ["work/tasks"],
  "edge/api": ["edge/http", "work/*", "language/*", "threads/*", "numeric/*"],
  "edge/cli": ["edge/api"],
};

/** Libraries and the rooms that may import them. A library that is not here may be imported nowhere. */
export const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  zod: ["*"],
  "onnxruntime-node": ["numeric/runtime"],
  "onnxruntime-web": ["numeric/runtime"],
  koffi: ["numeric/runtime"],
  "onnxruntime-common": ["numeric/runtime"],
  tokenizers: ["language/text"],
  "@huggingface/jinja": ["language/text"],
  "csv-parse": ["language/data"],
  fastify: ["edge/http"],
  "prom-client": ["edge/http"],
  commander: ["edge/cli"],
  acorn: ["threads/explore"],
  "magic-string": ["threads/explore"],
};

/** Libraries that one file alone may import. */
export const LIBRARY_FILES: Readonly<Record<string, string>> = { koffi: "src/numeric/runtime/c-api.ts" };

/** The rooms that may use `Atomics`: everything else shares memory through their primitives, which are explored. */
export const ATOMICS: readonly string[] = ["threads/sync", "threads/explore"];

export function mayImport(from: string, to: string): boolean {
  if (from === to || to === "base") return true;
  const floor = `${to.split("/")[0]}/*`;
  return (ARROWS[from] ?? []).some((arrow) => arrow === to || arrow === floor);
}
