/**
 * What a version of 160 MiB costs in memory with several replicas, and while it is published again and again under
 * load. Each side in a process of its own, and beside it the same through the package's binding, where each replica has
 * a packed copy.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Benchmark } from "./report.ts";

const REPLICAS = 4;
const PUBLICATIONS = 12;

export const memory: Benchmark = async ({ progress }) => {
  progress("memory: replicas");
  const [version, bound, small] = [
    await run("c-api", "replicas", "large"),
    await run("binding", "replicas", "large"),
    await run("c-api", "replicas", "small"),
  ];
  progress("memory: publishing under load");
  const published = await run("c-api", "publishes", "large");
  const further = (mib: readonly number[]): number => (mib[REPLICAS]! - mib[1]!) / (REPLICAS - 1);
  return {
    name: "memory",
    note:
      `resident memory of a process: ${REPLICAS} replicas of 160 MiB of weights, one after another; ` +
      `${PUBLICATIONS} publications of them, two replicas each, under three askers`,
    figures: [
      {
        what: "a further replica, beside what its thread costs",
        value: further(version) - further(small),
        unit: "MiB",
        bar: { max: 10 },
      },
      { what: "  its thread, with a version of 50 KB", value: further(small), unit: "MiB" },
      { what: "  through the binding", value: further(bound) - further(small), unit: "MiB" },
      {
        what: "growth from the third publication to the last",
        value: lowest(published.slice(-5, -1)) - lowest(published.slice(3, 7)),
        unit: "MiB",
        bar: { max: 30 },
      },
    ],
  };
};

/** Of a few neighbours: the version before may not have gone yet when one looks. */
function lowest(mib: readonly number[]): number {
  return Math.min(...mib);
}

async function run(reached: string, what: "replicas" | "publishes", size: string): Promise<readonly number[]> {
  const program = join(import.meta.dirname, "memory-program.ts");
  const count = String(what === "replicas" ? REPLICAS : PUBLICATIONS);
  const flags = ["--expose-gc", "--no-warnings", "--conditions=lockstep-source", program, what, count, size];
  const { stdout } = await promisify(execFile)(process.execPath, flags, {
    env: { ...process.env, LOCKSTEP_NATIVE: reached },
  });
  return JSON.parse(stdout) as readonly number[];
}
