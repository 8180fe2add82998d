/** The command as a user runs it: real processes with a home of their own, and a training that takes a second. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");
const BIN = join(ROOT, "bin/lockstep.mjs");
/** Sixty questions of three classes. */
export const TINY = join(import.meta.dirname, "tiny.csv");

export const SETTINGS = [
  "model.hidden_size=16",
  "model.num_attention_heads=2",
  "model.intermediate_size=32",
  "tokenizer.vocab_size=256",
  "pretrain.epochs=1",
  "finetune.epochs=6",
  "finetune.learning_rate=0.01",
  "max_tokens=24",
];
export const SMALL = set(...SETTINGS);

export function set(...settings: readonly string[]): string[] {
  return settings.flatMap((text) => ["--set", text]);
}

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Commands implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "lockstep-cli-"));

  /** A user's: what is in continuous integration, and where caches go there, is left out. */
  readonly #env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(CI|XDG_.*|ORT_.*)$/.test(name))),
    HOME: this.path("user"),
    LOCKSTEP_HOME: this.path("home"),
    LOCKSTEP_DEBUG: "",
    NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? this.path("compiled"),
  };

  constructor() {
    mkdirSync(this.path("user"));
  }

  /** What the commands have written into the home so far. */
  filesAtHome(): string[] {
    return readdirSync(this.path("user"), { recursive: true, encoding: "utf8" });
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  start(args: readonly string[], stdin: "ignore" | "pipe" = "ignore"): ChildProcess {
    return spawn(process.execPath, [BIN, ...args], {
      cwd: this.folder,
      env: this.#env,
      stdio: [stdin, "pipe", "pipe"],
    });
  }

  run(args: readonly string[], input?: string): Promise<Outcome> {
    const child = this.start(args, input === undefined ? "ignore" : "pipe");
    child.stdin?.on("error", () => undefined); // it need not read to the end
    child.stdin?.end(input);
    return finish(child);
  }

  /** The same in a shell's words; `"$0" "$@"` is the command. */
  shell(script: string, args: readonly string[]): Promise<Outcome> {
    return finish(
      spawn("/bin/sh", ["-c", script, process.execPath, BIN, ...args], {
        cwd: this.folder,
        env: this.#env,
        stdio: ["ignore", "pipe", "pipe"],
      }),
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function finish(child: ChildProcess): Promise<Outcome> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve) => {
    child.on("close", (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}

/** Resolves with the line of the stream that has `text` in it; rejects when the process ends first. */
export function seen(child: ChildProcess, from: "stdout" | "stderr", text: string): Promise<string> {
  let sofar = "";
  return new Promise((resolve, reject) => {
    child[from]?.on("data", (chunk: Buffer) => {
      sofar += chunk.toString();
      const line = sofar
        .split("\n")
        .slice(0, -1)
        .find((one) => one.includes(text));
      if (line !== undefined) resolve(line);
    });
    child.on("close", () => {
      reject(new Error(`it ended before it said ${JSON.stringify(text)}:\n${sofar}`));
    });
  });
}

/** Every line of what went to standard output; fails unless each is JSON. */
export function jsonLines<T>(stdout: string): T[] {
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

export interface Failure {
  readonly error: { readonly code: string; readonly message: string; readonly details: object };
}

/**
 * Each command ends with 2, one readable line (and at most a hint) on standard error, and the same as JSON on standard
 * output.
 */
export async function refuses(
  commands: Commands,
  cases: readonly (readonly [args: readonly string[], code: string, message: RegExp])[],
): Promise<void> {
  for (let at = 0; at < cases.length; at += 3) {
    await Promise.all(
      cases.slice(at, at + 3).map(async ([args, wanted, message]) => {
        const { code, stdout, stderr } = await commands.run([...args, "--json"]);
        assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
        const [failure] = jsonLines<Failure>(stdout);
        assert.deepEqual([failure?.error.code, typeof failure?.error.details], [wanted, "object"], args.join(" "));
        assert.match(stderr, message, args.join(" "));
        assert.match(stderr, /^((reading|training|encoding) the [a-z]+\n)*error: .*\n(.*\n){0,2}$/);
      }),
    );
  }
}
