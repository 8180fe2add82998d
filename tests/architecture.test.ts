/**
 * Holds the architecture: rooms import only along the table's arrows and only through doors, nothing imports in a
 * circle, libraries and `Atomics` stay in their rooms, long files say why. Each rule has a control: a made-up module
 * that breaks it.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { posix, sep } from "node:path";
import { describe, test } from "node:test";
import { cycles, readImports } from "./architecture/imports.ts";
import { ARROWS, ATOMICS, LIBRARIES, LIBRARY_FILES, mayImport } from "./architecture/rooms.ts";

type Sources = Readonly<Record<string, string>>;

const root = posix.dirname(import.meta.dirname.split(sep).join("/"));

/** Paths from the root, with `/`, and their texts. */
function read(pattern: string): Sources {
  const files = globSync(pattern, { cwd: root, exclude: ["src/numeric/kernels/assembly/**"] })
    .map((file) => file.split(sep).join("/"))
    .sort();
  return Object.fromEntries(files.map((file) => [file, readFileSync(posix.join(root, file), "utf8")]));
}

/** src/work/store/files.ts → work/store; base is a room by itself. */
function roomOf(file: string): string {
  const [, floor = "", room = ""] = file.split("/");
  return floor === "base" ? "base" : `${floor}/${room}`;
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** Everything that is wrong with these sources, one line each. */
function violations(sources: Sources): string[] {
  const wrong: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [file, text] of Object.entries(sources)) {
    const room = roomOf(file);
    const edges: string[] = [];
    graph.set(file, edges);
    if (ARROWS[room] === undefined) wrong.push(`${file}: ${room} is not a room of the table`);

    const { imports, entries, sourceUrls, atomics } = readImports(file, text);
    for (const specifier of imports) {
      if (specifier.startsWith(".")) {
        const target = posix.join(posix.dirname(file), specifier);
        edges.push(target);
        if (!(target in sources)) wrong.push(`${file}: ${specifier} does not exist`);
        const other = roomOf(target);
        if (other !== room && !mayImport(room, other)) wrong.push(`${file}: no arrow from ${room} to ${other}`);
        if (other !== room && !target.endsWith("/index.ts"))
          wrong.push(`${file}: ${specifier} reaches past the door of ${other}`);
      } else if (specifier.startsWith("#")) {
        wrong.push(`${file}: ${specifier} is for import.meta.resolve, not for import`);
      } else if (!isBuiltin(specifier)) {
        const rooms = LIBRARIES[packageOf(specifier)];
        if (rooms === undefined) wrong.push(`${file}: the library ${packageOf(specifier)} is not in the table`);
        else if (!rooms.includes("*") && !rooms.includes(room))
          wrong.push(`${file}: ${packageOf(specifier)} belongs to ${rooms.join(", ")}`);
        const alone = LIBRARY_FILES[packageOf(specifier)];
        if (alone !== undefined && alone !== file) wrong.push(`${file}: ${packageOf(specifier)} belongs to ${alone}`);
      }
    }
    for (const entry of entries) {
      if (entry === "") continue; // A prefix that a path is added to, not an entry.
      const target = `src/${entry}.ts`;
      if (!(target in sources)) wrong.push(`${file}: worker entry #entry/${entry} does not exist`);
      else if (roomOf(target) !== room) wrong.push(`${file}: worker entry #entry/${entry} is another room's`);
    }
    for (const url of sourceUrls) wrong.push(`${file}: new URL("${url}") points nowhere once built; use "#entry/…"`);
    if (atomics && !ATOMICS.includes(room))
      wrong.push(`${file}: Atomics belong to ${ATOMICS.join(", ")}; use a primitive of threads/sync`);
    wrong.push(...longWithoutReason(file, text));
  }
  for (const group of cycles(graph)) wrong.push(`import cycle: ${group.join(", ")}`);
  return wrong;
}

function longWithoutReason(file: string, text: string): string[] {
  const lines = text.trimEnd().split("\n").length;
  const head = /^(?:#!.*\n)?\s*(\/\*[\s\S]*?\*\/|(?:\/\/.*\n)+)/.exec(text)?.[1] ?? "";
  return lines > 450 && !/\blong\b|\blines\b/i.test(head)
    ? [`${file}: ${lines} lines, and its head does not say why it is long`]
    : [];
}

describe("architecture", () => {
  test("src keeps to the table of rooms, doors, libraries and lengths, without a cycle", () => {
    const sources = read("src/**/*.ts");
    assert.ok(Object.keys(sources).length > 0);
    assert.deepEqual(violations(sources), []);
  });

  test("every room that exists has a door", () => {
    const sources = read("src/**/*.ts");
    const rooms = new Set(Object.keys(sources).map(roomOf));
    assert.deepEqual(
      [...rooms].filter((room) => !(`src/${room}/index.ts` in sources)),
      [],
    );
  });

  test("examples and apps use the public door only", () => {
    const wrong = Object.entries({ ...read("examples/**/*.{ts,mjs}"), ...read("apps/**/*.ts") }).flatMap(
      ([file, text]) =>
        readImports(file, text)
          .imports.filter(
            (specifier) =>
              !(
                ["lockstep", "lockstep/sync", "lockstep/explore"].includes(specifier) ||
                isBuiltin(specifier) ||
                (specifier.startsWith("./") && !specifier.includes(".."))
              ),
          )
          .map((specifier) => `${file} imports ${specifier}`),
    );
    assert.deepEqual(wrong, []);
  });

  test("the table has no arrow up, and no cycle of its own", () => {
    const height: Record<string, number> = { base: 0, numeric: 1, threads: 2, language: 2, work: 3, edge: 4 };
    const rooms = Object.keys(ARROWS);
    const expanded = new Map(
      rooms.map((room) => [
        room,
        rooms.filter((other) => other !== room && other !== "base" && mayImport(room, other)),
      ]),
    );
    assert.deepEqual(cycles(expanded), []);
    for (const [room, others] of expanded) {
      for (const other of others) {
        const [from, to] = [room.split("/")[0]!, other.split("/")[0]!];
        assert.ok(from === to || height[from]! > height[to]!, `${room} → ${other}`);
      }
    }
  });
});

describe("controls: each rule finds what breaks it", () => {
  const door = "export const a = 1;\n";
  const cases: Readonly<Record<string, readonly [Sources, RegExp]>> = {
    "an arrow that the table lacks": [
      {
        "src/language/models/index.ts": 'import { a } from "../../numeric/runtime/index.ts";\n',
        "src/numeric/runtime/index.ts": door,
      },
      /no arrow from language\/models to numeric\/runtime/,
    ],
    "an arrow in a type import": [
      { "src/work/infer/index.ts": 'import type { a } from "../train/index.ts";\n', "src/work/train/index.ts": door },
      /no arrow from work\/infer to work\/train/,
    ],
    "an arrow in a type position": [
      {
        "src/work/infer/index.ts": 'export type A = import("../train/index.ts").A;\n',
        "src/work/train/index.ts": door,
      },
      /no arrow from work\/infer to work\/train/,
    ],
    "a lazy import upwards": [
      {
        "src/base/index.ts": 'export const load = () => import("../edge/api/index.ts");\n',
        "src/edge/api/index.ts": door,
      },
      /no arrow from base to edge\/api/,
    ],
    "a deep import": [
      { "src/work/infer/index.ts": 'export { a } from "../store/files.ts";\n', "src/work/store/files.ts": door },
      /reaches past the door of work\/store/,
    ],
    "a cycle within a room": [
      {
        "src/base/a.ts": 'import "./b.ts";\n',
        "src/base/b.ts": 'import "./c.ts";\n',
        "src/base/c.ts": 'import "./a.ts";\n',
      },
      /import cycle: src\/base\/a.ts, src\/base\/b.ts, src\/base\/c.ts/,
    ],
    "another room's worker entry": [
      {
        "src/edge/api/index.ts": 'import.meta.resolve("#entry/work/train/worker");\n',
        "src/work/train/worker.ts": door,
      },
      /is another room's/,
    ],
    "a worker entry that is not there": [
      { "src/work/train/index.ts": 'import.meta.resolve("#entry/work/train/gone");\n' },
      /does not exist/,
    ],
    "a source by URL": [
      { "src/work/train/index.ts": 'new URL("./worker.ts", import.meta.url);\n' },
      /points nowhere once built/,
    ],
    "a library outside its room": [
      { "src/work/infer/index.ts": 'import "onnxruntime-node";\n' },
      /belongs to numeric\/runtime/,
    ],
    "a library outside its file": [
      { "src/numeric/runtime/index.ts": 'export const load = () => import("koffi");\n' },
      /koffi belongs to src\/numeric\/runtime\/c-api.ts/,
    ],
    "an unknown library": [
      { "src/base/index.ts": 'import "@scope/left-pad/x";\n' },
      /library @scope\/left-pad is not in the table/,
    ],
    "atomics outside their room": [
      {
        "src/work/train/index.ts": "export const wake = (words: Int32Array) => globalThis.Atomics.notify(words, 0);\n",
      },
      /Atomics belong to threads\/sync/,
    ],
    "an unknown room": [{ "src/work/misc/index.ts": door }, /not a room/],
    "a long file without a reason": [{ "src/base/index.ts": `/** Everything. */\n${door.repeat(451)}` }, /452 lines/],
  };
  for (const [name, [sources, expected]] of Object.entries(cases)) {
    test(name, () => {
      const found = violations(sources);
      assert.equal(found.filter((line) => expected.test(line)).length, 1, `found: ${JSON.stringify(found)}`);
    });
  }

  test(
    "what is allowed passes: an import or Atomics in a comment or string, a long file that says why, an own " +
      "worker entry",
    () => {
      const sources: Sources = {
        "src/base/index.ts":
          `/** A table, and so it is long. */\n// import "../edge/api/index.ts";\nexport const text = 'import ` +
          `"left-pad"';\n${"\n".repeat(500)}export const z = 1;\n`,
        "src/work/train/index.ts":
          'import { z } from "zod";\nimport "../../base/index.ts";\nimport.meta.resolve("#entry/work/train/worker");\n',
        "src/threads/sync/index.ts": "export const zero = (words: Int32Array) => Atomics.store(words, 0, 0);\n",
        "src/work/train/worker.ts":
          '// Not with Atomics.\nexport const text = "Atomics";\nimport { parentPort } from ' +
          '"node:worker_threads";\nexport { parentPort };\n',
      };
      assert.deepEqual(violations(sources), []);
    },
  );
});
