/**
 * Whole modules through the load hook, in threads as the explorer has them: what is transformed, what is not, what a
 * wrong file says. @concurrent
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { exploredAround, isExplored } from "../../src/threads/explore/instrument/hooks.ts";
import type { Touched } from "./declared.ts";
import type { Done, Job } from "./hooked.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-hooks-"));
after(() => rmSync(folder, { recursive: true }));

interface Ended extends Done {
  readonly stderr: string;
}

function inThread(hook: Job["hook"], url: string | URL, call: string, ...args: readonly unknown[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./hooked.ts", import.meta.url), {
      workerData: { hook, url: String(url), call, args } satisfies Job,
      stderr: true,
      env: { ...process.env, ORT_DISABLE_TELEMETRY: "1" },
    });
    let done: Done | undefined;
    let stderr = "";
    worker.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    worker.on("message", (message: Done) => {
      done = message;
    });
    worker.on("error", reject);
    worker.on("exit", (code) =>
      done === undefined ? reject(new Error(`ended with ${code}: ${stderr}`)) : resolve({ ...done, stderr }),
    );
  });
}

/** Both ways; the results must agree. */
async function compare(
  hook: Job["hook"],
  url: URL,
  call: string,
  ...args: readonly unknown[]
): Promise<readonly string[]> {
  const [native, hooked] = [await inThread("none", url, call, ...args), await inThread(hook, url, call, ...args)];
  assert.equal(hooked.error, undefined, hooked.stack);
  assert.deepEqual(hooked.result, native.result);
  assert.deepEqual(native.told, []);
  assert.doesNotMatch(hooked.stderr, /Warning/);
  return hooked.told;
}

function file(name: string, text: string): URL {
  writeFileSync(join(folder, name), text);
  return pathToFileURL(join(folder, name));
}

describe("the load hook", () => {
  test("a user's TypeScript, an ES module and a CommonJS module that it uses: exact ranges, kept lines", async () => {
    file("plain.mjs", "export const twice = (words, i) => { words[i] *= 2; return words[i]; };\n");
    file(
      "old.cjs",
      "const frozen = Object.freeze([1]);\nmodule.exports = { first(words) { frozen[0] = 9; return words[0] + " +
        "frozen[0]; } };\n",
    );
    const url = file(
      "user.ts",
      [
        "import { twice } from './plain.mjs';",
        "import old from './old.cjs';",
        "import { createRequire } from 'node:module';",
        "interface Box<T> { readonly words: T }",
        "type Ints = Int32Array<SharedArrayBuffer>;",
        "export function go(start: number): unknown {",
        "  const box: Box<Ints> = { words: new Int32Array(new SharedArrayBuffer(16)) };",
        "  box.words[1] = start as number;",
        "  const two = twice(box.words, 1)!;",
        "  const first: number = old.first(box.words) + createRequire(import.meta.url)('./old.cjs').first(box.words);",
        "  return [two, first, box.words, [...box.words][1], /user\\.ts:(\\d+)/.exec(new Error('x').stack!)![1]];",
        "}",
        "",
      ].join("\n"),
    );
    const told = await compare("default", url, "go", 21);
    assert.deepEqual(told, ["w 4+4", "r 4+4", "w 4+4", "r 4+4", "r 0+4", "r 0+4", "r 0+4", "r 4+4", "r 8+4", "r 12+4"]);
    assert.equal(((await inThread("default", url, "go", 1)).result as string[])[4], "11");
  });

  test("the package's own code: folds and reductions give the same bits, and are seen", async () => {
    const told = await compare("default", new URL("./folding.ts", import.meta.url), "fold", 8, 3);
    assert.ok(told.length > 300, `${told.length} accesses`);
  });

  test("other packages, if asked for: a parser, a validator, random generators compute the same", async () => {
    const url = new URL("./libraries.ts", import.meta.url);
    assert.deepEqual(
      [(await inThread("all", url, "transformed")).result, (await inThread("default", url, "transformed")).result],
      [true, false],
    );
    await compare("all", url, "compute", readFileSync(new URL("../cli/tiny.csv", import.meta.url), "utf8"));
  });

  test("what is not to be transformed is not", async () => {
    const url = file(
      "quiet.mjs",
      "export const go = () => { const words = new Int32Array(new SharedArrayBuffer(8)); words[0] = 1; return " +
        "words[0]; };\n",
    );
    assert.equal((await inThread("default", url, "go")).told.length, 2);
    const here = new URL("../../", import.meta.url).href;
    for (const path of [
      "src/threads/sync/mutex.ts",
      "src/threads/explored.ts",
      "tests/sync/sync.test.ts",
      "examples/a.mjs",
      "dist/threads/sync/index.js",
    ])
      assert.ok(isExplored(here + path), path);
    for (const path of [
      "src/threads/explore/runtime.ts",
      "src/threads/explore/instrument/hooks.ts",
      "node_modules/zod/index.js",
    ])
      assert.ok(!isExplored(here + path), path);
    const installed = exploredAround("file:///app/node_modules/lockstep/");
    assert.ok(
      installed("file:///app/node_modules/lockstep/dist/threads/sync/mutex.js") && installed("file:///app/program.ts"),
    );
    assert.ok(
      !installed("file:///app/node_modules/lockstep/node_modules/zod/index.js") &&
        !installed("file:///app/node_modules/zod/index.js") &&
        !installed("file:///app/node_modules/lockstep-more/index.js"),
    );
  });

  test("a wrong file is an error with its path and line, in JavaScript and in TypeScript", async () => {
    const cases: readonly (readonly [name: string, text: string, expected: RegExp])[] = [
      ["wrong.mjs", "export const go = 1;\nlet x = ;\n", /^SyntaxError: .*wrong\.mjs:2:9: Unexpected token$/],
      ["wrong.ts", "export const go: number = 1;\nlet x: number = ;\n", /^SyntaxError: .*wrong\.ts:2:17: /],
      [
        "plain.tsx",
        "export const go = 1;\n",
        /^SyntaxError: .*plain\.tsx: JSX cannot be explored without the project's/,
      ],
      ["twice.cjs", "let a;\nlet a;\n", /^SyntaxError: .*twice\.cjs:2:5: Identifier 'a' has already been declared$/],
    ];
    for (const [name, text, expected] of cases)
      assert.match((await inThread("default", file(name, text), "go")).error ?? "", expected);
  });

  test("control: a thread without the hook is told nothing of elements", async () => {
    const ended = await inThread(
      "none",
      file(
        "control.mjs",
        "export const go = () => { const words = new Int32Array(new SharedArrayBuffer(8)); words[0] = 1; " +
          "return words[0]; };\n",
      ),
      "go",
    );
    assert.deepEqual([ended.result, ended.told], [1, []]);
  });
});

describe("what is declared because nobody can see it", () => {
  const url = new URL("./declared.ts", import.meta.url);
  /** What was told, by the names of the tensors; an element of one is only "element". */
  const named = (told: readonly string[], { places }: Touched): string[] => {
    const names = new Map(Object.entries(places).map(([name, place]) => [place, name]));
    return told.map((line) => line.replace(/ (.*)/, (_, place: string) => ` ${names.get(place) ?? "element"}`));
  };
  const without = (lines: readonly string[]): string[] => lines.filter((line) => !line.endsWith("element"));

  test("each kernel: what it reads, then what it changes", async () => {
    const cases: Readonly<Record<string, string>> = {
      adamw: "r b, r a, w a, r c, w c, r d, w d",
      add: "r b, r a, w a",
      addTo: "r b, r c, w a",
      addScaled: "r b, r a, w a",
      scale: "r a, w a",
      divide: "r a, w a",
      zero: "w a",
      copy: "r b, w a",
      sumSquares: "r a",
      dropoutMask: "w a",
      gatherRows: "r ids, r b, w a",
      scatterAddRows: "r ids, r b, r a, w a",
    };
    const [native, hooked] = [
      await inThread("none", url, "kernels", Object.keys(cases)),
      await inThread("default", url, "kernels", Object.keys(cases)),
    ];
    assert.equal(hooked.error, undefined, hooked.stack);
    assert.deepEqual(hooked.result, native.result);
    let at = 0;
    Object.entries(cases).forEach(([name, expected], i) => {
      const lines = expected.split(", ");
      // The arrays are filled one element after another (64 accesses); after the kernel they are read for the result
      // (32).
      assert.equal(
        named(hooked.told.slice(at + 64, at + 64 + lines.length), (hooked.result as Touched[])[i]!).join(", "),
        expected,
        name,
      );
      at += 64 + lines.length + 32;
    });
    assert.equal(at, hooked.told.length);
  });

  test("a run: inputs and weights read, outputs written; the same numbers with built-ins replaced", async () => {
    const runs = [
      ["native", "shared"],
      ["portable", "shared"],
      ["native", "packed"],
      ["reference", "shared"],
    ] as const;
    const [native, hooked] = [
      await inThread("none", url, "programs", runs),
      await inThread("default", url, "programs", runs),
    ];
    assert.equal(hooked.error, undefined, hooked.stack);
    assert.deepEqual(hooked.result, native.result);
    const touched = hooked.result as Touched[];
    // Each arena begins at the same bytes, so the names are the same in all four.
    const told = without(named(hooked.told, touched[0]!));
    // What each of them had read when it wrote. Weights are read at each run in shared form and when the program is
    // loaded in packed form; the portable library's own copies are seen as well; the reference executor reads in
    // JavaScript, element by element, and sets its result.
    const before = told
      .join(", ")
      .split("w y")
      .slice(0, -1)
      .map((reads) => [...new Set(reads.split(", "))].filter(Boolean).sort().join());
    assert.deepEqual(before, ["r shift,r weight,r x", "r shift,r weight,r x", "r shift,r weight,r x", ""]);
  });
});
