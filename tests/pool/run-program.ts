/** Runs exit-program.ts as a process of its own. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

export function runProgram(
  how: "exit" | "throw" | "idle" | "unguarded",
  work: "native" | "spin",
  reached: "c-api" | "binding" = "c-api",
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const program = fileURLToPath(new URL("./exit-program.ts", import.meta.url));
    const child = spawn(process.execPath, ["--conditions=lockstep-source", program, how, work], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, LOCKSTEP_NATIVE: reached },
    });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr.on("data", (chunk) => {
      output += chunk;
    });
    child.on("error", reject).on("close", (code) => resolve({ code, output }));
  });
}
