/**
 * `npm run lint`: ESLint (rules and line length), Prettier (layout; `npm run format` mends it) and jscpd (no passage of
 * more than eight lines stands twice). Every one of them runs, whatever the others say; any failure is the exit code.
 */
import { spawnSync } from "node:child_process";

const checks = [
  ["eslint", ["node_modules/eslint/bin/eslint.js", ".", "--max-warnings", "0"]],
  ["prettier", ["node_modules/prettier/bin/prettier.cjs", "--check", "--log-level", "warn", "."]],
  ["jscpd", ["node_modules/jscpd/run-jscpd.js", "--config", ".jscpd.json", "."]],
];
for (const [name, args] of checks) {
  const { status, signal } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) {
    console.error(`${name} failed${signal === null ? "" : ` (${signal})`}`);
    process.exitCode = 1;
  }
}
