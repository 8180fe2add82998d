/**
 * What an executor keeps of a sequence between runs, one suite over all of them: a token's result has the same bits
 * however its sequence was cut into runs, whoever else was in them, whatever the memory held before, and after it went
 * away as bytes and came back. The control is what the rule against lone rows is for.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { differentiate } from "../../src/numeric/autodiff/index.ts";
import { GraphBuilder, type Graph } from "../../src/numeric/graph/index.ts";
import {
  createExecutor,
  createNativeExecutor,
  firstDifference,
  type Cache,
  type Executor,
  type Session,
} from "../../src/numeric/runtime/index.ts";
import { tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";
import { difference, ints, reals } from "./support.ts";

const [H, G, D, LAYERS, SLOTS, TOKENS] = [4, 2, 16, 2, 2, 70];
const WIDTH = (H + 2 * G) * D;
const SHAPE = { layers: LAYERS, keyHeads: G, width: D };

/** Two layers of attention, the second over the first's results; with a second slot beside. */
function program(slots: number): Graph {
  const b = new GraphBuilder();
  for (let slot = 0; slot < slots; slot++) {
    const x = b.input(`x${slot}`, "real", [`R${slot}`, WIDTH]);
    const total = b.input(`total${slot}`, "int", []);
    const attend = (value: number, layer: number, window: number | null): number =>
      b.cachedAttention(value, total, {
        slot,
        layer,
        heads: H,
        keyHeads: G,
        width: D,
        scale: 1 / Math.sqrt(D),
        window,
      });
    const first = attend(x, 0, null); // [R, H·D]
    b.output(`y${slot}`, attend(b.concat([first, b.slice(x, 1, { start: H * D })], 1), 1, 9));
  }
  return b.build();
}

const rows = reals([TOKENS, WIDTH], 40);

/** New tokens of a sequence, from the first on; a lone one is named twice unless it is the control. */
function part(from: number, count: number, { doubled = true, of = rows.data } = {}): HostTensor<"float32"> {
  const copies = count === 1 && doubled ? 2 : count;
  const data = new Float32Array(copies * WIDTH);
  for (let i = 0; i < copies; i++) {
    const at = (from + Math.min(i, count - 1)) * WIDTH;
    data.set(of.subarray(at, at + WIDTH), i * WIDTH);
  }
  return tensor("float32", [copies, WIDTH], data);
}

interface Step {
  readonly x: HostTensor<"float32">;
  readonly past: number;
  readonly cache: Cache | null;
}

/** One run; each slot's results. */
async function run(session: Session, steps: readonly Step[]): Promise<Float32Array[]> {
  const outputs = steps.map(({ x }) => tensor("float32", [x.shape[0]!, H * D], new Float32Array(x.shape[0]! * H * D)));
  await session.run(
    Object.fromEntries(
      steps.flatMap(({ x, past }, slot) => [
        [`x${slot}`, x],
        [`total${slot}`, ints([], [past + x.shape[0]!])],
      ]),
    ),
    Object.fromEntries(outputs.map((output, slot) => [`y${slot}`, output])),
    undefined,
    { caches: steps.map(({ cache }) => cache) },
  );
  return outputs.map(({ data }) => data);
}

/** All tokens in parts of these sizes, alone in a program of one slot. */
async function inParts(
  session: Session,
  cache: Cache,
  sizes: readonly number[],
  doubled = true,
): Promise<Float32Array> {
  const all = new Float32Array(TOKENS * H * D);
  let past = 0;
  for (const size of sizes) {
    cache.reserve(past + Math.max(2, size));
    const [result] = await run(session, [{ x: part(past, size, { doubled }), past, cache }]);
    all.set(result!.subarray(0, size * H * D), past * H * D);
    past += size;
  }
  assert.equal(past, TOKENS);
  return all;
}

const ONES = new Array<number>(TOKENS).fill(1);
const same = (a: Float32Array, b: Float32Array, what: string): void => assert.equal(firstDifference(a, b), -1, what);
const idle: Step = { x: part(0, 2), past: 0, cache: null };

const executors: readonly (readonly [string, Executor])[] = [
  ["reference", await createExecutor("reference")],
  ["native", await createNativeExecutor()],
  ["native with two threads", await createNativeExecutor({ intraOpThreads: 2 })],
  ["portable", await createExecutor("portable")],
];
const reference = executors[0]![1];
const expected = await (async () => {
  const session = await reference.load(program(1), { form: "packed", weights: {} });
  return inParts(session, reference.createCache(SHAPE, 64), [TOKENS]);
})();

for (const [name, executor] of executors)
  describe(name, async () => {
    const single = await executor.load(program(1), { form: "packed", weights: {} });
    const double = await executor.load(program(SLOTS), { form: "packed", weights: {} });
    const whole = await inParts(single, executor.createCache(SHAPE, TOKENS), [TOKENS]);

    it("computes what the reference does", () => {
      assert.ok(difference(whole, expected) <= (executor.real === "float32" ? 2e-6 : 0));
    });

    it("gives the same bits however a sequence is cut, and whatever its memory held", async () => {
      for (const sizes of [ONES, [TOKENS - 1, 1], [1, TOKENS - 1], [13, 1, 2, 30, 3, 1, 20], [33, 37], [65, 5]])
        for (const capacity of [1, 300]) {
          const used = executor.createCache(SHAPE, capacity);
          used.import(filled(executor, capacity, NaN));
          used.free(); // the next one of this size takes its memory
          const cache = executor.createCache(SHAPE, capacity);
          same(await inParts(single, cache, sizes), whole, `${sizes.slice(0, 4).join()}… in ${capacity}`);
          cache.free();
        }
    });

    if (executor.real === "float32")
      it("differs where attention sees one row: the rule against it is needed", async () => {
        const cache = executor.createCache(SHAPE, TOKENS);
        assert.notEqual(firstDifference(await inParts(single, cache, [TOKENS - 1, 1], false), whole), -1);
      });

    it("gives the same bits beside another sequence that prefills or goes on, in either slot, or none", async () => {
      const other = reals([TOKENS, WIDTH], 41).data;
      for (const [own, mates] of [
        [0, true],
        [1, true],
        [0, false],
        [1, false],
      ] as const) {
        const [cache, mate] = [executor.createCache(SHAPE, 128), executor.createCache(SHAPE, 128)];
        const sizes = [1, 20, 1, 30, 1, 1, 16];
        let [past, before] = [0, 0];
        for (const [i, size] of sizes.entries()) {
          const others = i % 2 === 0 ? 7 : 1;
          const step = { x: part(past, size), past, cache };
          const beside = mates ? { x: part(before, others, { of: other }), past: before, cache: mate } : idle;
          const results = await run(double, own === 0 ? [step, beside] : [beside, step]);
          const end = past + size;
          same(results[own]!.subarray(0, size * H * D), whole.subarray(past * H * D, end * H * D), `${own} ${i}`);
          [past, before] = [end, before + others];
        }
      }
    });

    it("goes back, goes on elsewhere from bytes, and gives its memory back", async () => {
      const cache = executor.createCache(SHAPE, 1);
      await run(single, [{ x: part(0, 40), past: 0, cache }]);
      const kept = cache.export(25);
      const rest = async (from: Cache): Promise<Float32Array> => {
        from.reserve(TOKENS);
        const [result] = await run(single, [{ x: part(25, TOKENS - 25), past: 25, cache: from }]);
        return result!;
      };
      const later = whole.subarray(25 * H * D);
      same(await rest(cache), later, "fifteen tokens are forgotten and computed again");
      const elsewhere = executor.createCache(SHAPE, 1);
      assert.equal(elsewhere.import(kept), 25);
      assert.deepEqual(elsewhere.export(25), kept);
      same(await rest(elsewhere), later, "from bytes");
      assert.equal(cache.capacity, 128);
      assert.equal(cache.bytes, (executor.real === "float32" ? 4 : 8) * 2 * LAYERS * G * D * 128);
      cache.free();
      cache.free();
      await assert.rejects(run(single, [{ x: part(0, 2), past: 0, cache }]), { message: /was freed/ });
      for (const act of [() => cache.export(1), () => cache.reserve(1), () => cache.import(kept)])
        assert.throws(act, { message: /was freed/ });
    });

    it("refuses what would be computed wrongly, and leaves a cache as it was", async () => {
      const cache = executor.createCache(SHAPE, 64);
      await run(single, [{ x: part(0, 9), past: 0, cache }]);
      const before = cache.export(9);
      const foreign = (await createExecutor(executor.name === "portable" ? "native" : "portable")).createCache(
        SHAPE,
        9,
      );
      const x = part(0, 2);
      const refusals: readonly (readonly [RegExp, readonly Step[]])[] = [
        [/slot 0: 65 tokens do not fit its cache, which has room for 64/, [{ x, past: 63, cache }]],
        [/slot 0: a total of 1 tokens is less than the 2 of this run/, [{ x, past: -1, cache }]],
        [/slot 0: 3 tokens came before, but it has no cache/, [{ x, past: 3, cache: null }]],
        [/slot 0: its cache is another executor's/, [{ x, past: 0, cache: foreign }]],
        [/shape/, [{ x, past: 0, cache: executor.createCache({ ...SHAPE, width: 8 }, 9) }]],
        [/shape/, [{ x, past: 0, cache: executor.createCache({ ...SHAPE, layers: 3 }, 9) }]],
      ];
      for (const [message, steps] of refusals)
        await assert.rejects(run(single, steps), { code: "INPUT_INVALID", message });
      await assert.rejects(
        run(double, [
          { x, past: 0, cache },
          { x, past: 0, cache },
        ]),
        { code: "INPUT_INVALID", message: /slot 1: its cache is in slot 0 too/ },
      );
      await assert.rejects(single.run({ x0: x, total0: ints([], [2]) }, {}), { message: /1 slots.* not 0/ });
      assert.deepEqual(cache.export(9), before);
      for (const bytes of [
        before.slice(0, 20),
        before.slice(0, -1),
        Uint8Array.of(...before, 0),
        before.map((b) => b ^ 1),
      ])
        assert.throws(() => cache.import(bytes), { code: "INPUT_INVALID", message: /not taken for a cache/ });
      assert.throws(() => executor.createCache({ ...SHAPE, width: 4 }, 64).import(before), { code: "INPUT_INVALID" });
      assert.throws(() => cache.export(65), { code: "OPTION_INVALID" });
      assert.throws(() => executor.createCache({ ...SHAPE, layers: 0 }, 64), { code: "OPTION_INVALID" });
      assert.throws(() => executor.createCache(SHAPE, 2 ** 44), { code: "INPUT_TOO_LARGE" });
      assert.throws(() => cache.reserve(2 ** 44), { code: "INPUT_TOO_LARGE" });
      assert.deepEqual([cache.capacity, cache.export(9)], [64, before]);
    });
  });

/** The bytes of a cache that has the same number everywhere. */
function filled(executor: Executor, tokens: number, value: number): Uint8Array {
  const cache = executor.createCache(SHAPE, tokens);
  const bytes = cache.export(tokens);
  cache.free();
  const data = bytes.slice(28);
  if (executor.real === "float32") new Float32Array(data.buffer).fill(value);
  else new Float64Array(data.buffer).fill(value);
  bytes.set(data, 28);
  return bytes;
}

it("is heads of 8, 16, … 128 wide", () => {
  for (const width of [4, 12, 136]) {
    const b = new GraphBuilder();
    const attributes = { slot: 0, layer: 0, heads: 1, keyHeads: 1, width, scale: 1, window: null };
    assert.throws(
      () => b.cachedAttention(b.input("x", "real", ["R", 3 * width]), b.input("total", "int", []), attributes),
      { code: "GRAPH_INVALID", message: /wide/ },
    );
  }
});

it("is not differentiated", () => {
  assert.throws(
    () => {
      const b = new GraphBuilder();
      const x = b.matmul(b.input("x", "real", ["R", 3]), b.parameter("w", [3, WIDTH]));
      const attributes = { slot: 0, layer: 0, heads: H, keyHeads: G, width: D, scale: 1, window: null };
      b.output("loss", b.reduceSum(b.cachedAttention(x, b.input("total", "int", []), attributes), [0, 1]));
      differentiate(b.build(), { loss: "loss" });
    },
    (error: unknown) => isLockstepError(error) && error.code === "GRAPH_INVALID" && /no derivative/.test(error.message),
  );
});
