/**
 * Compiles src/numeric/kernels/assembly to kernels.wasm. The result is committed, so that nobody needs the compiler to
 * run Lockstep; a test builds it again and compares the bytes, which the pinned compiler makes repeatable.
 * `node scripts/build-kernels.mjs [output]`
 */
import { fileURLToPath } from "node:url";
import { resolve } from "node:path";
import asc from "assemblyscript/asc";

const root = fileURLToPath(new URL("..", import.meta.url));
const output = resolve(process.argv[2] ?? `${root}/src/numeric/kernels/kernels.wasm`);

const { error, stderr } = await asc.main([
  "src/numeric/kernels/assembly/index.ts",
  "--baseDir",
  root,
  "--outFile",
  output,
  "--runtime",
  "stub",
  "--noAssert",
  "--optimizeLevel",
  "3",
  "--shrinkLevel",
  "0",
  "--enable",
  "simd",
  "--enable",
  "threads",
  "--importMemory",
  "--sharedMemory",
  "--initialMemory",
  "1",
  "--maximumMemory",
  "65536",
]);
process.stderr.write(stderr.toString());
if (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
