/**
 * Finds a Node that is new enough and runs a program in it. Plain old JavaScript on purpose: it has to be read by
 * whatever `node` the machine has, so it imports only what Node 14 had and uses no newer syntax.
 *
 * Lockstep needs Node 24.15: older ones refuse shared memory as a tensor of ONNX Runtime. A checkout brings one along
 * (private workspace tools/node), which is used when the machine's own is too old.
 */
import { spawn } from "child_process";
import { existsSync, readFileSync } from "fs";
import { dirname, join } from "path";
import { fileURLToPath } from "url";

export const MINIMUM = [24, 15];
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export function newEnough(version) {
  const parts = version.replace(/^v/, "").split(".").map(Number);
  return parts[0] > MINIMUM[0] || (parts[0] === MINIMUM[0] && parts[1] >= MINIMUM[1]);
}

/**
 * The path of a Node that is new enough: this one, else one that npm installed beside Lockstep; undefined if there is
 * none.
 */
export function findNode() {
  if (newEnough(process.version)) return process.execPath;
  const platform = process.platform === "win32" ? "win" : process.platform;
  const executable = process.platform === "win32" ? "bin/node.exe" : "bin/node";
  for (const modules of [join(root, "node_modules"), dirname(root)]) {
    for (const name of ["node-" + platform + "-" + process.arch, "node"]) {
      const folder = join(modules, name);
      if (existsSync(join(folder, executable)) && newEnough(versionOf(folder))) return join(folder, executable);
    }
  }
  return undefined;
}

function versionOf(folder) {
  try {
    return String(JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version);
  } catch (error) {
    return "0.0.0"; // Not an npm package, so not the Node that a checkout brings: never run.
  }
}

export function explainMissingNode() {
  const wanted = MINIMUM.join(".");
  return (
    "lockstep needs Node " +
    wanted +
    " or newer; this is " +
    process.version +
    " (" +
    process.execPath +
    ").\n" +
    (existsSync(join(root, "src"))
      ? "In a checkout, `npm ci` brings one along for Linux, Windows and Intel Macs; elsewhere install Node 24 " +
        "from https://nodejs.org.\n"
      : "Install Node 24 from https://nodejs.org, or run `npm install node@24` beside lockstep.\n")
  );
}

/**
 * For a program that `become` may have started as a child: when its launcher is gone, even by SIGKILL, it is asked to
 * end as by SIGTERM. A server that nobody knows of any more would keep its port and go on answering.
 */
export function followLauncher() {
  const launcher = process.env.LOCKSTEP_LAUNCHER;
  delete process.env.LOCKSTEP_LAUNCHER; // The programs that this one starts have another launcher, or none.
  // Without a channel it is not the launcher of this process: a test, say, has handed its own variables on.
  if (launcher === undefined || !process.connected) return;
  const end = () => process.kill(process.pid, "SIGTERM");
  process.on("disconnect", end);
  process.channel.unref();
}

/**
 * Runs `executable` with `args` in the place of this process, and never returns. Where the system can replace a
 * process (process.execve), it is replaced; else a child takes over standard streams, signals and the exit code.
 */
export function become(executable, args) {
  // A checkout's sources are stripped and compiled once, not again in every worker thread of every process.
  if (process.env.NODE_COMPILE_CACHE === undefined && existsSync(join(root, "src")))
    process.env.NODE_COMPILE_CACHE = join(root, "node_modules", ".cache", "compiled");
  if (typeof process.execve === "function" && process.platform !== "win32") {
    process.execve(executable, [executable].concat(args), process.env);
  }
  // The channel carries nothing: its end tells the child that this process is gone, however it ended.
  const child = spawn(executable, args, {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: Object.assign({}, process.env, { LOCKSTEP_LAUNCHER: String(process.pid) }),
  });
  // A terminal sends Ctrl-C to the whole foreground group, so the child already has it: passing it on would send it
  // twice.
  const fromTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) {
    process.on(signal, () => {
      if (signal !== "SIGINT" || !fromTerminal) child.kill(signal);
    });
  }
  child.on("error", (error) => {
    process.stderr.write("could not start " + executable + ": " + error.message + "\n");
    process.exit(2);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const name of signals) process.removeAllListeners(name);
    process.kill(process.pid, signal); // End as the child ended, so that a shell sees the same.
  });
}
