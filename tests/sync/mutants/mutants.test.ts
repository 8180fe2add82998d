/**
 * What is stored about mutants is about today's sources: a line that is new, or another than it was, has to be run
 * against the explorations and the unit tests (`npm run mutants`) before it counts as explored.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { accounted, readCaught, readEquivalent, stale } from "../../../scripts/mutants/results.ts";
import { mutantTable } from "../../../scripts/mutants/table.ts";
import { mutantsOf } from "../../../scripts/mutants/tree.ts";
import { mutate } from "../../../scripts/mutants/mutate.ts";

const root = join(import.meta.dirname, "../../..");

test("every mutant of threads/sync is caught, or listed with the reason; and the table says so", () => {
  const mutants = mutantsOf(root);
  const known = {
    caught: readCaught(root),
    equivalent: readEquivalent(root),
  };
  const unknown = mutants.filter((mutant) => !accounted(mutant, known)).map(({ key }) => key);
  assert.deepEqual(unknown, [], "run `npm run mutants`");
  const keys = new Set(mutants.map(({ key }) => key));
  const gone = [...known.caught.keys()].filter((key) => !keys.has(key));
  assert.deepEqual(gone, [], "run `npm run mutants`");
  assert.deepEqual(stale(mutants, known.equivalent), [], "an entry of equivalent.json speaks of no mutant");
  const cells = (text: string): string[] => text.split("\n").map((line) => line.replace(/[\s-]+/g, ""));
  const table = cells(mutantTable(mutants, known)).filter((line) => line !== "||||||");
  const documented = new Set(cells(readFileSync(join(root, "docs/explored.md"), "utf8")));
  assert.deepEqual(
    table.filter((line) => !documented.has(line)),
    [],
    "docs/explored.md has another table: take the one that `npm run mutants -- --table` prints",
  );
});

test("a file with all mutants in it does what it did where none is chosen, and one thing else where one is", () => {
  const source = `export function f(words: number[], n: number): number {
  words.push(n);
  words.push(n + 1);
  if (n > 2 && words.length === 2) return words[0]! | 8;
  return -1;
}
`;
  const { mutants, schemata } = mutate("f.ts", source);
  const changes = mutants.map(({ change }) => change);
  assert.deepEqual(changes, [
    "swapped: words.push(n); <> words.push(n + 1);",
    "deleted: words.push(n);",
    "deleted: words.push(n + 1);",
    "without 1: n + 1",
    "only the first: n > 2 && words.length === 2",
    "only the second: n > 2 && words.length === 2",
    "turned round: n > 2",
    "moved by one: n > 2",
    "turned round: words.length === 2",
    "without the last: words[0]! | 8",
    "without the first: words[0]! | 8",
  ]);
  const code = schemata(0, "selector")
    .replace(/^import.*\n/, "")
    .replace("export function f(words: number[], n: number): number", "return function f(words, n)")
    .replaceAll("]!", "]");
  const run = (chosen: number, n: number): string => {
    const words: number[] = [];
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the file under test is made here
    const made = new Function("M", code) as (M: (n: number) => boolean) => (words: number[], n: number) => number;
    return `${made((mutant) => mutant === chosen)(words, n)} ${words.join()}`;
  };
  assert.equal(run(-1, 3), "11 3,4");
  assert.deepEqual(
    mutants.map((_, mutant) => run(mutant, 3)),
    ["12 4,3", "-1 4", "-1 3", "11 3,3", "11 3,4", "11 3,4", "-1 3,4", "11 3,4", "-1 3,4", "3 3,4", "8 3,4"],
  );
  assert.equal(run(7, 2), "10 2,3");
});

test("of three statements two change places, and the third stays", () => {
  const source =
    "export function f(words: number[]): void {\n  words.push(1);\n  words.push(2);\n  words.push(3);\n}\n";
  const { mutants, schemata } = mutate("f.ts", source);
  const code = schemata(0, "selector")
    .replace(/^import.*\n/, "")
    .replace("export function f(words: number[]): void", "return function f(words)");
  const run = (chosen: number): string => {
    const words: number[] = [];
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the file under test is made here
    const made = new Function("M", code) as (M: (n: number) => boolean) => (words: number[]) => void;
    made((mutant) => mutant === chosen)(words);
    return words.join("");
  };
  assert.equal(run(-1), "123");
  assert.deepEqual(
    mutants.map((_, mutant) => run(mutant)),
    ["213", "132", "23", "13", "12"],
  );
});
