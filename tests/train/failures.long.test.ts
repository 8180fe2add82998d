/** A training one of whose threads dies. @concurrent */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

test(
  "a worker that dies within a step ends the training with WORKER_DIED, and it can be resumed",
  { timeout: 60_000 },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-die-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--conditions=lockstep-source",
      "--import",
      join(import.meta.dirname, "die.ts"),
      join(import.meta.dirname, "die-child.ts"),
      folder,
    ]);
    const { deaths, undisturbed } = JSON.parse(stdout) as {
      deaths: { how: string; code: string; message: string; resumed: string }[];
      undisturbed: string;
    };
    assert.deepEqual(
      deaths.map(({ how, code, resumed }) => ({ how, code, resumed })),
      [
        { how: "exit", code: "WORKER_DIED", resumed: undisturbed },
        { how: "throw", code: "WORKER_DIED", resumed: undisturbed },
      ],
    );
    assert.match(deaths[0]!.message, /code 3/);
    assert.match(deaths[1]!.message, /out of order/);
  },
);
