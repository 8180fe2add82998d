/**
 * One misuse of the C interface a process: `misuse-program.ts CASE`. Prints the errors that it got; what it must never
 * do is crash. Run with --expose-gc.
 */
import { Worker } from "node:worker_threads";
import { once } from "node:events";
import { GraphBuilder } from "../../src/numeric/graph/index.ts";
import { chooseNative, createExecutor } from "../../src/numeric/runtime/index.ts";
import { lower } from "../../src/numeric/runtime/lower.ts";
import { QUIET, type OrtTensor } from "../../src/numeric/runtime/ort.ts";
import { tensor } from "../../src/numeric/tensor/index.ts";

const { api } = await chooseNative();
if (api === null) throw new Error("this is about the C interface");
const gc = globalThis.gc;
if (gc === undefined) throw new Error("run it with --expose-gc");

function graph() {
  const b = new GraphBuilder();
  b.output("y", b.matmul(b.input("x", "real", ["N", 4]), b.parameter("w", [4, 4])));
  return b.build();
}
const program = lower(graph(), { form: "shared" });
const feed = (name: string): string => (program.inputFeeds.get(name) ?? program.weightFeeds.get(name)) as string;
const y = program.results.get("y")?.fetch as string;
const floats = (rows: number, dims = [rows, 4]): OrtTensor => ({
  type: "float32",
  data: new Float32Array(4 * rows).fill(1),
  dims,
});
const open = () => api.createSession(program.model, QUIET);
const good = { [feed("x")]: floats(2), [feed("w")]: floats(4) };

async function says(what: () => Promise<unknown>): Promise<void> {
  try {
    await what();
    console.log("no error");
  } catch (thrown) {
    console.log(`error: ${(thrown as Error).message.split("\n")[0]}`);
  }
}

const CASES: Readonly<Record<string, () => Promise<void>>> = {
  "wrong name": () => says(() => open().run({ ...good, nobody: floats(1) }, { [y]: floats(2) }, QUIET)),
  "missing feed": () => says(() => open().run({ [feed("x")]: floats(2) }, { [y]: floats(2) }, QUIET)),
  "wrong output": () => says(() => open().run(good, { nobody: floats(2) }, QUIET)),
  "wrong shape": () => says(() => open().run({ ...good, [feed("x")]: floats(2, [4, 2]) }, { [y]: floats(2) }, QUIET)),
  "wrong output shape": () => says(() => open().run(good, { [y]: floats(3) }, QUIET)),
  "wrong type": () =>
    says(() =>
      open().run(
        { ...good, [feed("x")]: { type: "int32", data: new Int32Array(8), dims: [2, 4] } },
        { [y]: floats(2) },
        QUIET,
      ),
    ),
  "unknown type": () =>
    says(() => open().run({ ...good, [feed("x")]: { ...floats(2), type: "float17" } }, { [y]: floats(2) }, QUIET)),
  "small buffer": () => says(() => open().run({ ...good, [feed("x")]: floats(1, [2, 4]) }, { [y]: floats(2) }, QUIET)),
  "small output": () => says(() => open().run(good, { [y]: floats(1, [2, 4]) }, QUIET)),
  "small output, again": async () => {
    // The same tensor a second time: not an output that the library makes for itself, and nobody ever sees.
    const session = open();
    const small = floats(1, [2, 4]);
    for (let i = 0; i < 2; i++) await says(() => session.run(good, { [y]: small }, QUIET));
    const enough = floats(2);
    await session.run(good, { [y]: enough }, QUIET);
    console.log(enough.data.every((value) => value === 4) ? "then right" : "then wrong");
  },
  "too many axes": () =>
    says(() => open().run({ ...good, [feed("x")]: floats(2, Array(40).fill(1)) }, { [y]: floats(2) }, QUIET)),
  "not a model": () => says(async () => api.createSession(new Uint8Array(100).fill(7), QUIET)),
  "empty model": () => says(async () => api.createSession(new Uint8Array(0), QUIET)),
  "released session": async () => {
    const session = open();
    await session.release();
    await session.release();
    await says(() => session.run(good, { [y]: floats(2) }, QUIET));
  },
  "released scope": async () => {
    const scope = api.createScope();
    const session = api.createSession(program.model, QUIET, { scope: scope.handle });
    await session.run(good, { [y]: floats(2) }, QUIET);
    scope.release();
    scope.release();
    scope.interrupt();
    await says(() => session.run(good, { [y]: floats(2) }, QUIET));
    await session.release();
  },
  "released container": async () => {
    const packed = api.createPacked();
    packed.release();
    packed.release();
    await says(() => Promise.resolve());
  },
  "dropped sessions": async () => {
    for (let i = 0; i < 200; i++) {
      await open().run(good, { [y]: floats(2) }, QUIET);
      gc();
      await new Promise(setImmediate);
    }
    await says(() => open().run(good, { [y]: floats(2) }, QUIET));
  },
  "collection at every step": async () => {
    const executor = await createExecutor("native");
    const weights = { w: tensor("float32", [4, 4], new Float32Array(16).fill(2)) };
    const session = await executor.load(graph(), { form: "packed", weights });
    let wrong = 0;
    for (let i = 0; i < 100; i++) {
      const output = tensor("float32", [1 + (i % 3), 4], new Float32Array(4 * (1 + (i % 3))));
      gc();
      await session.run(
        { x: tensor("float32", output.shape, new Float32Array(output.data.length).fill(i)) },
        { y: output },
      );
      gc();
      if (output.data.some((value) => value !== 8 * i)) wrong++;
    }
    await session.dispose();
    console.log(wrong === 0 ? "no error" : `${wrong} wrong`);
  },
  "workers that leave their sessions": async () => {
    for (let i = 0; i < 15; i++) {
      const scope = api.createScope();
      const worker = new Worker(new URL("./misuse-worker.ts", import.meta.url), { workerData: scope.handle });
      await once(worker, "exit");
      scope.release();
      gc();
    }
    await says(() => open().run(good, { [y]: floats(2) }, QUIET));
  },
};

const [name] = process.argv.slice(2);
if (name === undefined) console.log(Object.keys(CASES).join("\n"));
else await CASES[name]!();
