/**
 * Runs the tests with Node's own runner. `npm test` takes tests/**\/*.test.ts without the long ones; `npm run test:all`
 * takes both kinds; a path or a part of one narrows either (`npm test -- tests/http`). Flags are passed on.
 */
import { spawn } from "node:child_process";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";

const root = dirname(import.meta.dirname);
const args = process.argv.slice(2);
const all = args.includes("--all");
const flags = args.filter((arg) => arg.startsWith("--") && arg !== "--all");
const parts = args.filter((arg) => !arg.startsWith("--"));

const files = globSync("tests/**/*.test.ts", { cwd: root })
  .map((file) => file.split(sep).join("/"))
  .filter((file) => all || !file.endsWith(".long.test.ts"))
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part.replace(/^\.\//, ""))))
  .sort();
if (files.length === 0) {
  console.error(
    `no test file matches ${parts.join(", ") || "tests/**/*.test.ts"}` +
      `${all ? "" : " (long tests run with npm run test:all)"}`,
  );
  process.exit(2);
}

// No test is left hanging for ever: a quick one has three minutes (on a busy machine), a long one a quarter of an hour.
const limit = all ? 900_000 : 180_000;
// Long tests kill processes, measure delays and load the machine: one file at a time.
const concurrency = all ? 1 : availableParallelism();
// Most of the time of a small test is loading the sources, in its process and again in every worker: what Node compiles
// is kept.
const cache = join(root, "node_modules", ".cache", "compile");
// Keys, kept heads and verdicts of a test are not those of whoever runs it.
const home = mkdtempSync(join(tmpdir(), "lockstep-test-home-"));
const child = spawn(
  process.execPath,
  [
    "--conditions=lockstep-source",
    "--test",
    "--test-reporter=spec",
    `--test-timeout=${limit}`,
    `--test-concurrency=${concurrency}`,
    ...flags,
    ...files,
  ],
  { cwd: root, stdio: "inherit", env: { NODE_COMPILE_CACHE: cache, ...process.env, LOCKSTEP_HOME: home } },
);
process.on("SIGINT", () => {}); // The terminal sends it to the runner too, which then prints its summary.
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.on("exit", (code) => {
  rmSync(home, { recursive: true, force: true });
  process.exit(code ?? 1);
});
