import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GraphBuilder, type Graph } from "../../src/numeric/graph/index.ts";
import { loadLibrary } from "../../src/numeric/runtime/ort.ts";
import {
  availableExecutors,
  createExecutor,
  createNativeExecutor,
  createPortableExecutor,
  PLAIN_KERNELS,
  type Form,
} from "../../src/numeric/runtime/index.ts";
import { tensor } from "../../src/numeric/tensor/index.ts";

function product(): Graph {
  const b = new GraphBuilder();
  b.output(
    "y",
    b.gatherRows(b.matmul(b.input("x", "real", ["N", 4]), b.parameter("w", [4, 4])), b.input("index", "int", ["P"])),
  );
  return b.build();
}
const weights = {
  w: tensor(
    "float32",
    [4, 4],
    Float32Array.from({ length: 16 }, (_, i) => i),
  ),
};
const inputs = {
  x: tensor("float32", [2, 4], new Float32Array(8).fill(1)),
  index: tensor("int32", [3], Int32Array.of(1, 0, 1)),
};
const output = (): { y: ReturnType<typeof tensor<"float32">> } => ({
  y: tensor("float32", [3, 4], new Float32Array(12)),
});

for (const name of ["native", "portable"] as const)
  describe(name, () => {
    it("runs one at a time and says so", async () => {
      const session = await (await createExecutor(name)).load(product(), { form: "shared", weights });
      const y = output();
      const first = session.run(inputs, y);
      await assert.rejects(session.run(inputs, output()), { code: "RUNTIME_FAILED", message: /one at a time/ });
      await first;
      await session.run(inputs, output());
      assert.deepEqual([...y.y.data.subarray(0, 4)], [24, 28, 32, 36]);
      await session.dispose();
    });

    it("dispose waits for the run, may be called twice, and ends the session", async () => {
      const session = await (await createExecutor(name)).load(product(), { form: "packed", weights });
      const y = output();
      const run = session.run(inputs, y);
      await Promise.all([session.dispose(), session.dispose()]);
      await run;
      assert.equal(y.y.data[0], 24);
      await session.dispose();
      await assert.rejects(session.run(inputs, output()), { code: "RUNTIME_FAILED", message: /disposed/ });
    });

    it("names the program and its shapes when the library fails, and goes on afterwards", async () => {
      const session = await (await createExecutor(name)).load(product(), { name: "picker", form: "shared", weights });
      await assert.rejects(session.run({ ...inputs, index: tensor("int32", [3], Int32Array.of(0, 1, 7)) }, output()), {
        code: "RUNTIME_FAILED",
        message: /^picker failed with .*N = 2.*P = 3/,
      });
      await session.run(inputs, output());
      await session.dispose();
    });

    it("has a profile of its own for each form", async () => {
      const executor = await createExecutor(name);
      const profile = async (form: Form) => {
        const session = await executor.load(product(), { form, weights });
        await session.dispose();
        return session.profile;
      };
      const [shared, packed, again] = [await profile("shared"), await profile("packed"), await profile("shared")];
      assert.deepEqual(shared, again);
      assert.match(shared.id, /^[0-9a-f]{64}$/);
      assert.notEqual(shared.id, packed.id);
      assert.deepEqual({ ...packed, id: "", form: "" }, { ...shared, id: "", form: "" });
      assert.match(
        shared.build,
        name === "native"
          ? /^onnxruntime-node \d+\.\d+\.\d+, git-branch=[^,]+, git-commit-id=[0-9a-f]+, .+, lowering \d+$/
          : /^onnxruntime-web \d+\.\d+\.\d+, wasm [0-9a-f]{64}, lowering \d+$/,
      );
      assert.equal(shared.cpu === "any", name === "portable");
    });

    it("fills masks in the memory and with the function that it is given", async () => {
      const b = new GraphBuilder();
      b.output("y", b.mul(b.input("x", "real", ["N", 5]), b.dropoutMask(["N", 5], { rate: 0.5, site: 3 })));
      b.output("z", b.dropoutMask(["N", 3], { rate: 0.5, site: 4 }));
      const memory = new SharedArrayBuffer(4096);
      const seen: string[] = [];
      const executor = await createExecutor(name, {
        kernels: {
          ...PLAIN_KERNELS,
          allocate: (elements) => new Float32Array(memory, 64, elements),
          fillDropoutMask: (target, rate, site, { step }) => {
            seen.push(`${target.byteOffset} ${target.length} ${rate} ${site} ${step}`);
            target.fill(site);
          },
        },
      });
      const session = await executor.load(b.build(), { form: "shared", weights: {} });
      const [y, z] = [tensor("float32", [4, 5], new Float32Array(20)), tensor("float32", [4, 3], new Float32Array(12))];
      await session.run(
        { x: tensor("float32", [4, 5], new Float32Array(20).fill(2)) },
        { y, z },
        { seed: [0, 0], step: 9, shard: 0 },
      );
      assert.deepEqual(seen, ["64 20 0.5 3 9", "192 12 0.5 4 9"]);
      assert.deepEqual([...y.data, ...z.data], [...Array<number>(20).fill(6), ...Array<number>(12).fill(4)]);
      await session.dispose();
    });
  });

it("native: more threads inside an operator are another shared profile, but the same packed one", async () => {
  const [one, two] = [await createNativeExecutor(), await createNativeExecutor({ intraOpThreads: 2 })];
  const id = async (executor: typeof one, form: Form) => {
    const session = await executor.load(product(), { form, weights });
    await session.dispose();
    return session.profile.id;
  };
  assert.notEqual(await id(one, "shared"), await id(two, "shared"));
  assert.equal(await id(one, "packed"), await id(two, "packed"));
});

it("refuses options that it does not know or that are out of range", async () => {
  await assert.rejects(createNativeExecutor({ intraOpThreads: 0 }), {
    code: "OPTION_INVALID",
    message: /intraOpThreads/,
  });
  await assert.rejects(createNativeExecutor({ threads: 2 } as never), { code: "OPTION_INVALID", message: /threads/ });
  await assert.rejects(createPortableExecutor({ wasm: "file.wasm" } as never), {
    code: "OPTION_INVALID",
    message: /wasm/,
  });
  assert.throws(() => createExecutor("quantum" as never), {
    code: "OPTION_INVALID",
    message: /reference, native, portable/,
  });
});

it("portable: one build in a thread, the one whose digest is in the profile", async () => {
  await createPortableExecutor();
  await assert.rejects(createPortableExecutor({ wasm: Uint8Array.of(0, 97, 115, 109) }), {
    code: "OPTION_INVALID",
    message: /another build/,
  });
});

it("says how to install a package that is missing", async () => {
  const name = "a-package-that-nobody-has";
  await assert.rejects(
    loadLibrary(name, () => import(name)),
    { code: "RUNTIME_MISSING", message: /npm install a-package-that-nobody-has --ignore-scripts$/ },
  );
});

it("finds what is installed here", async () => {
  assert.deepEqual(await availableExecutors(), ["reference", "native", "portable"]);
});
