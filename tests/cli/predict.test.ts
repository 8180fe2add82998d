/** Questions of every task out of texts and files, and vectors into a file. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { questionsOfFile, questionsOfTexts, type QuestionFile, type TaskName } from "../../src/edge/api/index.ts";
import { Counter } from "../../src/edge/cli/counter.ts";
import { VectorsFile } from "../../src/edge/cli/vectors-file.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-predict-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function put(name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

async function of(task: TaskName, path: string, columns: QuestionFile = {}): Promise<unknown[]> {
  const questions: unknown[] = [];
  for await (const question of await questionsOfFile(task, path, columns)) questions.push(question);
  return questions;
}

describe("questions", () => {
  it("of texts: alone, with a second one, or documents of a query", () => {
    assert.deepEqual(questionsOfTexts("embed", ["a", "b"]), ["a", "b"]);
    assert.deepEqual(questionsOfTexts("classify", ["a"], "b"), [{ text: "a", pair: "b" }]);
    assert.deepEqual(questionsOfTexts("similarity", ["a", "b"], "c"), [
      { text: "a", pair: "c" },
      { text: "b", pair: "c" },
    ]);
    assert.deepEqual(questionsOfTexts("rerank", ["a", "b"], "q"), [{ query: "q", documents: ["a", "b"] }]);
    const refused = (task: TaskName, second: string | undefined, message: RegExp): void =>
      assert.throws(() => questionsOfTexts(task, ["a"], second), { code: "OPTION_INVALID", message });
    refused("embed", "b", /embed is asked about single texts/);
    refused("similarity", undefined, /similarity is asked about two texts/);
    refused("rerank", undefined, /rerank needs a query/);
  });

  it("of a table: its columns, named or usual; neighbours with one query are one question", async () => {
    const pairs = put("pairs.csv", "text,sentence2,other\na,b,c\nd,e,f\n");
    assert.deepEqual(await of("embed", pairs), ["a", "d"]);
    assert.deepEqual(await of("classify", pairs), ["a", "d"], "a second text is read where it is named");
    assert.deepEqual(await of("classify", pairs, { second: "other" }), [
      { text: "a", pair: "c" },
      { text: "d", pair: "f" },
    ]);
    assert.deepEqual(await of("similarity", pairs, { text: "other" }), [
      { text: "c", pair: "b" },
      { text: "f", pair: "e" },
    ]);
    const judged = put(
      "judged.jsonl",
      ["qa", "qb", "rc"].map((x) => `{"query":"${x[0]}","document":"${x[1]}"}`).join("\n"),
    );
    assert.deepEqual(await of("rerank", judged), [
      { query: "q", documents: ["a", "b"] },
      { query: "r", documents: ["c"] },
    ]);
    await assert.rejects(of("similarity", put("one.csv", "text\na\n")), { code: "DATA_INVALID", message: /second/ });
    await assert.rejects(of("embed", pairs, { second: "other" }), { code: "OPTION_INVALID", message: /single texts/ });
    await assert.rejects(of("classify", pairs, { separator: "\t" }), { code: "OPTION_INVALID", message: /is a table/ });
  });

  it("of lines: parted by what stands between, or each as JSON", async () => {
    const lines = put("lines.txt", "a\tb\n\nc\td\te\n");
    assert.deepEqual(await of("similarity", lines, { separator: "\t" }), [
      { text: "a", pair: "b" },
      { text: "c", pair: "d\te" },
    ]);
    assert.deepEqual(await of("perplexity", lines), ["a\tb", "c\td\te"]);
    await assert.rejects(of("similarity", lines, { separator: "|" }), { code: "DATA_INVALID", message: /text 1 of / });
    await assert.rejects(of("similarity", lines), { code: "OPTION_INVALID", message: /two texts/ });
    await assert.rejects(of("classify", lines, { text: "a" }), { code: "OPTION_INVALID", message: /no column "a"/ });
    const json = put("questions.txt", '"a"\n{"query":"q","documents":["x","y"]}\n');
    assert.deepEqual(await of("rerank", json, { jsonl: true }), ["a", { query: "q", documents: ["x", "y"] }]);
    await assert.rejects(of("rerank", put("broken.txt", "{\n"), { jsonl: true }), {
      code: "DATA_INVALID",
      message: /question 1 of /,
    });
    await assert.rejects(of("rerank", json, { jsonl: true, text: "query" }), { code: "OPTION_INVALID" });
  });
});

describe("vectors", () => {
  const vectors = [Float32Array.of(1, -0.5), Float32Array.of(0.1, 3e38)];

  it("are a NumPy file, or numbers alone, that appears when it is whole", async () => {
    for (const name of ["out.npy", "out.f32"]) {
      const path = join(folder, name);
      await using file = await VectorsFile.create(path);
      for (const vector of vectors) await file.add(vector);
      assert.equal(existsSync(path), false);
      await file.finish();
      const bytes = readFileSync(path);
      if (name === "out.npy") {
        assert.deepEqual([...bytes.subarray(0, 10)], [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
        const header = bytes.subarray(10, 128).toString("latin1");
        assert.match(header, /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(2, 2\), \} *\n$/);
      }
      const data = bytes.subarray(name === "out.npy" ? 128 : 0);
      assert.equal(data.length, 16);
      assert.deepEqual(
        [0, 4, 8, 12].map((at) => data.readFloatLE(at)),
        vectors.flatMap((vector) => [...vector]),
      );
      assert.equal(existsSync(`${path}.part`), false);
    }
  });
  it("that were not finished leave nothing, and another name is refused", async () => {
    const path = join(folder, "never.npy");
    {
      await using file = await VectorsFile.create(path);
      await file.add(vectors[0]!);
    }
    assert.deepEqual([existsSync(path), existsSync(`${path}.part`)], [false, false]);
    await assert.rejects(VectorsFile.create(join(folder, "out.csv")), {
      code: "OPTION_INVALID",
      message: /\.npy or \.f32/,
    });
    await assert.rejects(VectorsFile.create(join(folder, "no/out.npy")), { code: "DISK_FAILED" });
  });
});

it("long work says how far it is: a line that updates on a terminal, a plain one now and then elsewhere", () => {
  for (const isTTY of [true, false]) {
    const written: string[] = [];
    let now = 0;
    const terminal = { isTTY, write: (text: string) => written.push(text) };
    using counter = new Counter("answers", terminal, {}, () => now);
    counter.show(10, 100);
    assert.deepEqual(written, []);
    now = 20_000;
    counter.show(50, 100);
    counter.show(60, 100); // too soon
    const line = "50 of 100 answers, 3 a second, 20.0 s left";
    assert.deepEqual(written, [isTTY ? `\r${line}\u001b[K` : `${line}\n`]);
    counter.clear();
    assert.equal(written.at(-1) === "\r\u001b[K", isTTY);
  }
});
