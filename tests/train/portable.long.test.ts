/**
 * The stored hashes of portable-bits.long.test.ts on other machines, as far as one machine can play them: without the
 * newer instruction sets, with each of V8's compilers alone, and in another language and time zone.
 * @concurrent
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const FLAGS: readonly (readonly [string, readonly string[]])[] = [
  [
    "without AVX, FMA and BMI",
    ["--no-enable-avx", "--no-enable-avx2", "--no-enable-fma3", "--no-enable-bmi1", "--no-enable-bmi2"],
  ],
  ["without SSE 4.2", ["--no-enable-sse4-2", "--no-enable-avx", "--no-enable-avx2", "--no-enable-fma3"]],
  ["WebAssembly by the baseline compiler", ["--liftoff-only"]],
  ["JavaScript by the interpreter", ["--no-opt", "--no-sparkplug"]],
];

for (const [name, flags] of process.arch === "x64" ? FLAGS : FLAGS.slice(2)) {
  test(`the stored weights and answer: ${name}`, { timeout: 120_000 }, () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env; // a test run of its own
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        ...flags,
        "--conditions=lockstep-source",
        "--test-name-pattern=stored weights",
        join(import.meta.dirname, "portable-bits.long.test.ts"),
      ],
      {
        encoding: "utf8",
        env: { ...env, LC_ALL: "tr_TR.UTF-8", TZ: "Asia/Kolkata" },
      },
    );
    assert.equal(status, 0, stdout);
    assert.match(stdout, /pass 1/, stdout);
  });
}
