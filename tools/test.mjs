/**
 * Runs the tests with Node's own runner. `npm test` takes tests/**\/*.test.ts without the long ones; `npm run test:all`
 * takes both kinds; a path or a part of one narrows either (`npm test -- tests/http`). Flags are passed on. In the end
 * it says which files took longest.
 *
 * Quick files run beside each other, as many as there are cores. Long ones kill processes, measure delays and load the
 * machine: each runs alone, after the others, unless its first comment says `@concurrent`: nothing that it expects
 * depends on how long anything takes, or on what else runs.
 */
import { spawn } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { pathToFileURL } from "node:url";

const SHOWN = 10;
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

function runsAlone(file) {
  if (!file.endsWith(".long.test.ts")) return false;
  const [head = ""] = /^\/\*\*[^]*?\*\//.exec(readFileSync(join(root, file), "utf8")) ?? [];
  return !head.includes("@concurrent");
}

// No test is left hanging for ever: a quick one has three minutes (on a busy machine), a long one a quarter of an hour.
const limit = all ? 900_000 : 180_000;
// Most of the time of a small test is loading the sources, in its process and again in every worker: what Node compiles
// is kept.
const cache = join(root, "node_modules", ".cache", "compile");
// Keys, kept heads and verdicts of a test are not those of whoever runs it.
const home = mkdtempSync(join(tmpdir(), "lockstep-test-home-"));
const times = [];
let child;
let stopped = false;

/** The exit code. */
async function run(chosen, concurrency) {
  if (chosen.length === 0 || stopped) return 0;
  const seconds = join(home, `seconds-${concurrency}`);
  child = spawn(
    process.execPath,
    [
      "--conditions=lockstep-source",
      "--test",
      "--test-reporter=spec",
      "--test-reporter-destination=stdout",
      `--test-reporter=${pathToFileURL(join(import.meta.dirname, "seconds.mjs")).href}`,
      `--test-reporter-destination=${seconds}`,
      `--test-timeout=${limit}`,
      `--test-concurrency=${concurrency}`,
      ...flags,
      ...chosen,
    ],
    { cwd: root, stdio: "inherit", env: { NODE_COMPILE_CACHE: cache, ...process.env, LOCKSTEP_HOME: home } },
  );
  const code = await new Promise((resolve) => child.once("exit", resolve));
  for (const line of readFileSync(seconds, "utf8").trim().split("\n")) if (line !== "") times.push(JSON.parse(line));
  return code ?? 1;
}

process.on("SIGINT", () => {
  stopped = true; // The terminal sends it to the runner too, which then prints its summary.
});
process.on("SIGTERM", () => {
  stopped = true;
  child?.kill("SIGTERM");
});
const codes = [
  await run(
    files.filter((file) => !runsAlone(file)),
    availableParallelism(),
  ),
  await run(files.filter(runsAlone), 1),
];
rmSync(home, { recursive: true, force: true });
times.sort((a, b) => b.seconds - a.seconds);
if (times.length > 1) {
  console.log(`\nslowest of ${times.length} files, in seconds:`);
  for (const { file, seconds } of times.slice(0, SHOWN)) console.log(`${seconds.toFixed(1).padStart(7)}  ${file}`);
}
process.exitCode = codes.find((code) => code !== 0) ?? 0;
