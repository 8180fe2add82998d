/**
 * `npm run lint`: ESLint (rules and line length), Prettier (layout; `npm run format` mends it) and jscpd (no passage of
 * more than eight lines stands twice). Every one of them runs, beside the others; any failure is the exit code.
 */
import { spawn } from "node:child_process";

const checks = [
  ["eslint", ["node_modules/eslint/bin/eslint.js", ".", "--max-warnings", "0"]],
  ["prettier", ["node_modules/prettier/bin/prettier.cjs", "--check", "--log-level", "warn", "."]],
  ["jscpd", ["node_modules/jscpd/run-jscpd.js", "--config", ".jscpd.json", "."]],
];
await Promise.all(
  checks.map(async ([name, args]) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    const said = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => said.push(chunk));
    const [status, signal] = await new Promise((resolve) => child.once("close", (...end) => resolve(end)));
    process.stdout.write(Buffer.concat(said));
    if (status === 0) return;
    console.error(`${name} failed${signal === null ? "" : ` (${signal})`}`);
    process.exitCode = 1;
  }),
);
