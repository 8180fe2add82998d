/** Numerics profiles: what decides the bits below us, and its name. */
import { canonicalJson, sha256Hex } from "../../base/index.ts";
import type { Profile } from "./contract.ts";

/** Counts changes of the lowering that change bits: another rule, another order of operations. Part of every build. */
export const LOWERING = 1;

export function profileOf({ executor, form, build, cpu, tokenizer }: Omit<Profile, "id">): Profile {
  const fields = { executor, form, build, cpu, ...(tokenizer === undefined ? {} : { tokenizer }) };
  return Object.freeze({ ...fields, id: sha256Hex(canonicalJson(fields)) });
}

/** The profile of answers whose token ids come from a library (name and version), too. */
export function withTokenizer(profile: Profile, library: string): Profile {
  return profileOf({ ...profile, tokenizer: library });
}

/**
 * The kind of CPU as far as it decides which kernels ONNX Runtime picks: architecture, model, and on Linux a digest of
 * the instruction set flags (virtual machines hide some of them behind one model name).
 */
export async function cpuClass(): Promise<string> {
  const { arch, cpus } = await import("node:os");
  const { readFile } = await import("node:fs/promises");
  const model = cpus()[0]?.model.trim() ?? "unknown";
  const info = await readFile("/proc/cpuinfo", "utf8").catch(() => ""); // only Linux has it
  const flags = /^(?:flags|Features)\s*:\s*(.+)$/m.exec(info)?.[1]?.trim().split(/\s+/).sort().join(" ");
  return [arch(), model, ...(flags === undefined ? [] : [`flags ${sha256Hex(flags).slice(0, 12)}`])].join(", ");
}
