import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GraphBuilder } from "../../src/numeric/graph/index.ts";
import { lower } from "../../src/numeric/runtime/index.ts";

describe("lower", () => {
  it("computes each distinct run-time shape once and feeds it as an input", () => {
    const b = new GraphBuilder();
    const x = b.input("x", "real", ["B", "T", 8]);
    const split = b.transpose(b.reshape(x, ["B", "T", 2, 4]), [0, 2, 1, 3]);
    b.output("a", b.reshape(b.exp(split), ["B*T", 8]));
    b.output("b", b.reshape(b.neg(split), ["T*B", 8]));
    const { shapeFeeds } = lower(b.build(), { form: "shared" });
    assert.deepEqual(
      shapeFeeds.map(({ dims }) => dims),
      [
        ["B", "T", 2, 4],
        ["B*T", 8],
      ],
    );
  });

  it("keeps embedding tables out of the session, unless something else reads them", () => {
    const b = new GraphBuilder();
    const [alone, tied] = [b.parameter("alone", [50, 8]), b.parameter("tied", [40, 8])];
    const ids = b.input("ids", "int", ["P"]);
    b.output("logits", b.matmul(b.add(b.embedding(alone, ids), b.embedding(tied, ids)), tied, { transB: true }));
    const program = lower(b.build(), { form: "shared" });
    assert.deepEqual([...program.weightFeeds.keys()], ["tied"]);
    assert.deepEqual(
      program.gatherFeeds.map(({ table, ids }) => [table, ids]),
      [
        ["alone", "ids"],
        ["tied", "ids"],
      ],
    );
    assert.deepEqual([...program.inputFeeds.keys()], [], "the host reads the ids, the session does not");
  });

  it("writes no weight into the model, in either form", () => {
    const b = new GraphBuilder();
    b.output("y", b.matmul(b.input("x", "real", ["N", 256]), b.parameter("w", [256, 256])));
    const graph = b.build();
    for (const form of ["shared", "packed"] as const) assert.ok(lower(graph, { form }).model.length < 1024);
  });

  it("separates the rows of an embedding gradient from what is dense", () => {
    const b = new GraphBuilder();
    const [table, ids, dy] = [
      b.parameter("table", [9, 4]),
      b.input("ids", "int", ["B", "T"]),
      b.input("dy", "real", ["B*T", 4]),
    ];
    const flat = b.reshape(ids, ["B*T"]);
    b.output("tied", b.add(b.embeddingGrad(dy, flat, { rows: 9, paddingId: 0 }), b.neg(table)));
    b.output("sparse", b.embeddingGrad(b.exp(dy), flat, { rows: 9 }));
    const { results } = lower(b.build(), { form: "shared" });
    assert.equal(results.get("tied")?.fetch, "output:tied");
    assert.equal(results.get("sparse")?.fetch, null);
    assert.deepEqual(
      results.get("tied")?.rowGradients.map(({ ids, rows, paddingId }) => ({ ids, rows, paddingId })),
      [{ ids: "ids", rows: 9, paddingId: 0 }],
    );
  });

  it("adds a bias inside the product only where the product is used for nothing else", () => {
    const operators = (write: (b: GraphBuilder, product: number, bias: number) => void): string => {
      const b = new GraphBuilder();
      write(
        b,
        b.matmul(b.input("x", "real", ["N", 4]), b.parameter("w", [6, 4]), { transB: true }),
        b.parameter("bias", [6]),
      );
      const text = new TextDecoder("latin1").decode(lower(b.build(), { form: "shared" }).model);
      return ["Gemm", "FusedMatMul"].filter((op) => text.includes(op)).join();
    };
    assert.equal(
      operators((b, product, bias) => b.output("y", b.add(product, bias))),
      "Gemm",
    );
    assert.equal(
      operators((b, product, bias) => b.output("y", b.add(bias, product))),
      "Gemm",
    );
    assert.equal(
      operators((b, product, bias) => {
        b.output("y", b.add(product, bias));
        b.output("product", product);
      }),
      "FusedMatMul",
    );
    assert.equal(
      operators((b, product, bias) => b.output("y", b.mul(b.add(product, bias), product))),
      "FusedMatMul",
    );
    assert.equal(
      operators((b, product, bias) => b.output("y", b.add(product, b.reshape(bias, [1, 6])))),
      "FusedMatMul",
    );
  });

  it("refuses ids that the session would have to compute", () => {
    const b = new GraphBuilder();
    b.output("y", b.embedding(b.parameter("table", [9, 4]), b.transpose(b.input("ids", "int", ["B", "T"]), [1, 0])));
    assert.throws(() => lower(b.build(), { form: "shared" }), {
      code: "GRAPH_INVALID",
      message: /before the session runs/,
    });
  });
});
