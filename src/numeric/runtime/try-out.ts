/**
 * A first use of the C interface, with known numbers: results in place, weights shared through a container, a run that
 * is ended and one after it.
 */
import { GraphBuilder } from "../graph/index.ts";
import type { CApi } from "./c-api.ts";
import { lower } from "./lower.ts";
import { InterruptedRun, QUIET } from "./ort.ts";

const SIZE = 4;

/** Throws where anything is not as it must be. */
export async function tryOut(api: CApi): Promise<void> {
  const b = new GraphBuilder();
  b.output("y", b.matmul(b.input("x", "real", ["N", SIZE]), b.parameter("w", [SIZE, SIZE])));
  const program = lower(b.build(), { form: "packed" });
  const initializer = program.weightFeeds.get("w") as string;
  const floats = (values: readonly number[]) => {
    const data = new Float32Array(new SharedArrayBuffer(4 * values.length));
    data.set(values);
    return { type: "float32", data, dims: [values.length / SIZE, SIZE] };
  };
  const identity = floats(Array.from({ length: SIZE * SIZE }, (_, i) => (i % (SIZE + 1) === 0 ? 2 : 0)));
  const scope = api.createScope();
  const packed = api.createPacked();
  const x = floats([1, 2, 3, 4, 5, 6, 7, 8]);
  const y = floats([0, 0, 0, 0, 0, 0, 0, 0]);
  try {
    const session = api.createSession(
      program.model,
      {},
      { scope: scope.handle, shared: { packed: packed.handle, tensors: { [initializer]: identity } } },
    );
    const run = async (): Promise<void> => {
      await session.run({ [program.inputFeeds.get("x") as string]: x }, { [fetchOf(program)]: y }, QUIET);
      const wrong = y.data.findIndex((value, i) => value !== 2 * (x.data[i] as number));
      if (wrong >= 0) throw new Error(`a product of small integers is wrong: ${y.data[wrong]} at ${wrong}`);
    };
    await run();
    y.data.fill(0);
    scope.interrupt();
    const ended = await run().then(
      () => false,
      (thrown: unknown) => thrown instanceof InterruptedRun,
    );
    if (!ended) throw new Error("a run cannot be ended");
    await run();
    await session.release();
  } finally {
    scope.release();
    packed.release();
  }
}

function fetchOf(program: ReturnType<typeof lower>): string {
  return program.results.get("y")?.fetch as string;
}
