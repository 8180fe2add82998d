/** The C interface and the binding of one library give the same bits, under one profile. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

async function digests(reached: string): Promise<Record<string, unknown>> {
  const program = join(import.meta.dirname, "both-program.ts");
  const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=lockstep-source", program], {
    env: { ...process.env, LOCKSTEP_NATIVE: reached },
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

test("training and answers are the same to the last bit through both interfaces", async () => {
  const [direct, bound] = await Promise.all([digests("c-api"), digests("binding")]);
  assert.equal(direct["interface"], "c-api");
  assert.equal(bound["interface"], "binding");
  assert.ok((direct["digests"] as unknown[]).length >= 6);
  assert.equal(new Set(direct["logits"] as string[]).size, 5);
  assert.deepEqual({ ...direct, interface: "" }, { ...bound, interface: "" });
});
