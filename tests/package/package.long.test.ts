/**
 * The package as others get it: built, packed and installed into an empty project, where its examples and its command
 * run, a training with workers among them, and a consumer's code type-checks with every declaration read. @concurrent
 */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = dirname(dirname(import.meta.dirname));
const project = mkdtempSync(join(tmpdir(), "lockstep-consumer-"));
const npm = process.platform === "win32" ? "npm.cmd" : "npm";
// The condition of this run's own Node must not reach the consumer's: it would look for sources.
/** Without what npm hands down from this repository, where it runs the tests: here, install scripts are blocked. */
const { npm_config_ignore_scripts: _, npm_config_allow_scripts: __, ...inherited } = process.env;
const env = { ...inherited, NODE_OPTIONS: "" };
const inProject = { cwd: project, env, maxBuffer: 64 << 20, timeout: 600_000 };

/** Runs the installed command in the project. */
const lockstep = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  run(process.execPath, [join("node_modules", "lockstep", "bin", "lockstep.mjs"), ...args], inProject);

interface Failed {
  readonly stdout: string;
  readonly stderr: string;
  readonly code?: number;
}

/**
 * What npm may make of the native runtime's install script, which would fetch CUDA's libraries; in the first project it
 * is blocked.
 */
const INSTALLS: Readonly<Record<string, { install: string; executor: "native" | "portable" }>> = {
  "allowed, and told to leave CUDA out": { install: "skip", executor: "native" },
  // npm then leaves the optional package out without a word.
  failing: { install: "no-such-build", executor: "portable" },
};

/** Few texts of few words, so that a training takes seconds. */
function writeTable(name: string, rows: number): void {
  const words = {
    weather: ["rain", "snow", "sun", "wind"],
    food: ["bread", "soup", "rice", "cake"],
    music: ["song", "drum", "choir", "tune"],
  };
  const lines = Array.from({ length: rows }, (_, i) => {
    const label = (["weather", "food", "music"] as const)[i % 3]!;
    const pick = (shift: number): string => words[label][(i + shift) % 4]!;
    return `"is there ${pick(0)} or ${pick(1)} on day ${i % 11}",${label}`;
  });
  writeFileSync(join(project, name), ["text,label", ...lines].join("\n"));
}

describe("the package in an empty project", () => {
  let archive = "";
  before(async () => {
    const { stdout } = await run(process.execPath, [join(root, "tools", "package.mjs"), "--destination", project], {
      cwd: root,
      maxBuffer: 64 << 20,
    });
    archive = stdout.trim().split("\n").at(-1)!;
    writeFileSync(
      join(project, "package.json"),
      JSON.stringify({ name: "consumer", version: "1.0.0", private: true, type: "module" }),
    );
    await run(npm, ["install", archive, "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"], {
      ...inProject,
      shell: process.platform === "win32",
    });
    // Node strips no types under node_modules, so an example is copied before it is run, as the README says.
    cpSync(join(project, "node_modules", "lockstep", "examples"), join(project, "examples"), { recursive: true });
    writeTable("train.csv", 240);
    // The examples' own tables take minutes on two cores.
    for (const name of ["train.csv", "test.csv"]) writeTable(join("examples", "banking77", name), 240);
    writeTable("test.csv", 60);
  });
  after(() => rmSync(project, { recursive: true, force: true }));

  test("every link of its pages leads to something", () => {
    const home = join(project, "node_modules", "lockstep");
    const pages = globSync(["*.md", "docs/**/*.md", "examples/**/*.md"], { cwd: home });
    assert.ok(pages.length > 8, pages.join(", "));
    const links = pages.flatMap((page) =>
      [...readFileSync(join(home, page), "utf8").matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(
        ([, target]) => [page, join(home, dirname(page), target!)] as const,
      ),
    );
    assert.ok(links.length > 10);
    const dead = links.filter(([, target]) => !existsSync(target)).map(([page, target]) => `${page}: ${target}`);
    assert.deepEqual(dead, []);
  });

  test("a Node that is too old is told so, by the command and by the library", async () => {
    const old = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
    const elsewhere = mkdtempSync(join(tmpdir(), "lockstep-old-node-"));
    try {
      await run(npm, ["install", `${old}@20`, "--prefix", elsewhere, "--no-audit", "--no-fund", "--ignore-scripts"], {
        ...inProject,
        shell: process.platform === "win32",
      });
      const node = join(elsewhere, "node_modules", old, "bin", process.platform === "win32" ? "node.exe" : "node");
      const asked = [
        [join("node_modules", "lockstep", "bin", "lockstep.mjs"), "--version"],
        ["--input-type=module", "--eval", 'import { train } from "lockstep"; train();'],
      ];
      for (const args of asked) {
        const { stderr, code } = await run(node, args, inProject).then(
          ({ stdout, stderr }) => ({ stdout, stderr, code: 0 }),
          (error: unknown) => error as Failed,
        );
        assert.notEqual(code, 0);
        assert.match(stderr, /lockstep needs Node 24\.15 or newer; this is v20/);
        assert.match(stderr, /npm install node@24/);
        assert.doesNotMatch(stderr, /SyntaxError/);
      }
    } finally {
      rmSync(elsewhere, { recursive: true, force: true });
    }
  });

  test("the command trains with two workers, predicts and verifies", async () => {
    await lockstep(
      "train",
      "--task",
      "classify",
      "--data",
      "train.csv",
      "--text",
      "text",
      "--label",
      "label",
      "--out",
      "models/tiny",
      "--threads",
      "2",
      "--json",
    );
    const { stdout } = await lockstep("predict", "models/tiny", "is there soup or rice on day 3", "--json");
    assert.match(stdout, /weather|food|music/);
    JSON.parse(stdout);
  });

  test("the command refuses what it does not know with exit code 2", async () => {
    await assert.rejects(lockstep("train", "--no-such-flag"), (error: { code?: number }) => error.code === 2);
  });

  for (const example of globSync("*.{ts,mjs}", { cwd: join(root, "examples") }).sort(trainFirst)) {
    test(`examples/${example} runs`, async () => {
      await runExample(example);
    });
  }

  test("it can be required, too", async () => {
    const script = 'console.log(typeof require("lockstep").train)';
    const { stdout, stderr } = await run(process.execPath, ["--input-type=commonjs", "--eval", script], inProject);
    assert.equal(stdout.trim(), "function");
    assert.equal(stderr, "");
  });

  const doctor = async (there: typeof inProject): Promise<{ executor: string; reason: string }> => {
    const command = join("node_modules", "lockstep", "bin", "lockstep.mjs");
    const { stdout } = await run(process.execPath, [command, "doctor", "--json"], there);
    return JSON.parse(stdout) as { executor: string; reason: string };
  };

  test("install scripts blocked: native is used", async () => {
    const report = await doctor(inProject);
    assert.equal(report.executor, "native", report.reason);
  });

  for (const [what, { install, executor }] of Object.entries(INSTALLS)) {
    test(`install scripts ${what}: ${executor} is used, and doctor says why`, async () => {
      const other = mkdtempSync(join(tmpdir(), "lockstep-install-"));
      const there = { ...inProject, cwd: other, env: { ...env, ONNXRUNTIME_NODE_INSTALL: install } };
      try {
        // npm since 11.16 runs no script that is not named here.
        writeFileSync(
          join(other, "package.json"),
          JSON.stringify({ name: "other", private: true, type: "module", allowScripts: { "onnxruntime-node": true } }),
        );
        await run(npm, ["install", archive, "--prefer-offline", "--no-audit", "--no-fund"], {
          ...there,
          shell: process.platform === "win32",
        });
        const report = await doctor(there);
        assert.equal(report.executor, executor, report.reason);
        if (executor === "portable") assert.match(report.reason, /npm install onnxruntime-node --ignore-scripts/);
      } finally {
        rmSync(other, { recursive: true, force: true });
      }
    });
  }

  test("a consumer's code type-checks with skipLibCheck off", async () => {
    writeFileSync(
      join(project, "consumer.ts"),
      [
        'import { loadModel, serve, train } from "lockstep";',
        "export const verbs: readonly unknown[] = [train, loadModel, serve];",
        "export type Options = Parameters<typeof serve>[1];",
        'export const model: Awaited<ReturnType<typeof loadModel>> = await loadModel("models/tiny");',
      ].join("\n"),
    );
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          target: "esnext",
          module: "nodenext",
          lib: ["esnext"],
          types: ["node"],
          strict: true,
          exactOptionalPropertyTypes: true,
          skipLibCheck: false,
          noEmit: true,
        },
        files: ["consumer.ts"],
      }),
    );
    mkdirSync(join(project, "node_modules", "@types"), { recursive: true });
    for (const name of ["@types/node", "undici-types"]) {
      if (!existsSync(join(project, "node_modules", name)))
        symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name), "junction");
    }
    const { stdout } = await run(
      process.execPath,
      [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "."],
      inProject,
    ).catch((error: unknown) => error as { stdout: string });
    assert.equal(stdout, "");
  });
});

/** The other examples use what the training one leaves. */
function trainFirst(a: string, b: string): number {
  return Number(b.startsWith("train")) - Number(a.startsWith("train")) || (a < b ? -1 : 1);
}

/** Runs an example to its end; one that serves is asked whether it is ready, then interrupted. */
async function runExample(example: string): Promise<void> {
  const child = spawn(process.execPath, [join("examples", example)], {
    cwd: project,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let asked: Promise<void> | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += String(chunk);
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0];
      if (url === undefined || asked !== undefined) return;
      asked = fetch(`${url}/healthz`).then((response) => {
        assert.equal(response.status, 200);
        child.kill("SIGINT");
      });
      asked.catch(() => child.kill("SIGKILL"));
    });
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), 600_000);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  await asked;
  assert.ok(code === 0 || (asked !== undefined && (code === 130 || code === null)), `exit code ${code}:\n${output}`);
}
