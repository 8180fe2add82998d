/**
 * `node scripts/c-table.ts HEADER…`: finds the positions of src/numeric/runtime/c-table.ts again, in the struct OrtApi
 * of an onnxruntime_c_api.h (include/onnxruntime/core/session in microsoft/onnxruntime), and compares them and the
 * kinds of their parameters. Exit code 1 where one differs.
 */
import { readFileSync } from "node:fs";
import { TABLE, type TableEntry } from "../src/numeric/runtime/c-table.ts";
import { readTable, type Declared } from "./c-table/header.ts";

const headers = process.argv.slice(2);
if (headers.length === 0) {
  console.error("usage: node scripts/c-table.ts HEADER…");
  process.exitCode = 2;
}
for (const path of headers) {
  const { version, functions } = readTable(readFileSync(path, "utf8"));
  const wrong = Object.entries(TABLE).flatMap(([name, entry]) => complaints(name, entry, functions));
  console.log(`${path}: version ${version}, ${functions.length} functions, ${wrong.length} differences`);
  for (const line of wrong) console.log(`  ${line}`);
  if (wrong.length > 0) process.exitCode = 1;
}

function complaints(name: string, { position, gives, takes }: TableEntry, functions: readonly Declared[]): string[] {
  const found = functions.findIndex((declared) => declared.name === name);
  const declared = functions[found];
  if (declared === undefined) return [`${name} is not there`];
  return [
    ...(found === position ? [] : [`${name} is at ${found}, not at ${position}`]),
    ...(declared.gives === gives ? [] : [`${name} gives ${declared.gives}, not ${gives}`]),
    ...(declared.takes === takes ? [] : [`${name} takes ${declared.takes}, not ${takes}`]),
  ];
}
