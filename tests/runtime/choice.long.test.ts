/**
 * How the native runtime is reached where something is otherwise: without koffi, with another version of the library,
 * on another platform. Everything works, with the same bits, and what is not as it could be is said once. @concurrent
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { tinyStore, type TinyStore } from "../stress/tiny-store.ts";

const root = join(import.meta.dirname, "../..");
const hook = join(import.meta.dirname, "otherwise.mjs");

let tiny: TinyStore;
before(async () => {
  tiny = await tinyStore([1]);
});
after(() => tiny[Symbol.asyncDispose]());

interface Machine {
  readonly as?: "no-koffi" | "other-version" | "other-platform";
  readonly native?: string;
  readonly home: string;
}

async function lockstep({ as, native, home }: Machine, ...args: string[]) {
  const flags = ["--conditions=lockstep-source", "--import", hook, join(root, "bin/lockstep.mjs")];
  const { LOCKSTEP_NATIVE: _, ...env } = process.env;
  return await promisify(execFile)(process.execPath, [...flags, ...args], {
    cwd: tiny.folder,
    env: {
      ...env,
      LOCKSTEP_HOME: home,
      ...(as === undefined ? {} : { LOCKSTEP_TEST_AS: as }),
      ...(native === undefined ? {} : { LOCKSTEP_NATIVE: native }),
    },
  }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

const predict = (machine: Machine) => lockstep(machine, "predict", tiny.store, "Where is my parcel now?", "--json");
const reached = async (machine: Machine) =>
  (
    JSON.parse((await lockstep(machine, "doctor", "--json")).stdout) as {
      native: { interface: string; reason?: string };
    }
  ).native;
const warnings = (stderr: string): number => stderr.split("LOCKSTEP_BINDING").length - 1;

describe("the choice of the interface", () => {
  const home = mkdtempSync(join(tmpdir(), "lockstep-choice-"));
  after(() => {
    rmSync(home, { recursive: true });
  });
  let expected: string;
  before(async () => {
    const { code, stdout, stderr } = await predict({ home });
    assert.equal(code, 0, stderr);
    assert.equal(warnings(stderr), 0);
    expected = stdout;
  });

  test("as it is: the C interface, without a word", async () => {
    assert.deepEqual(await reached({ home }), { interface: "c-api" });
  });

  for (const [as, reason] of [
    ["no-koffi", /Cannot find package 'koffi'/],
    ["other-version", /was tried with ONNX Runtime 0\.0\.1, not with/],
  ] as const)
    test(`${as}: the binding, said once, and the same answer`, async () => {
      const native = await reached({ as, home });
      assert.equal(native.interface, "binding");
      assert.match(native.reason ?? "", reason);
      const { code, stdout, stderr } = await predict({ as, home });
      assert.equal(code, 0, stderr);
      assert.equal(warnings(stderr), 1, stderr);
      assert.match(stderr, reason);
      assert.deepEqual(answer(stdout), answer(expected));
    });

  test("another platform: tried once in a process of its own, and the verdict is kept", async () => {
    const kept = join(home, "native");
    assert.deepEqual(await reached({ as: "other-platform", home }), { interface: "c-api" });
    const [file] = readdirSync(kept);
    const verdict = JSON.parse(readFileSync(join(kept, file!), "utf8")) as object;
    assert.deepEqual(verdict, { format: 1, works: true, why: "" });
    // what is kept is what counts the next time
    writeFileSync(join(kept, file!), JSON.stringify({ format: 1, works: false, why: "it ended with SIGSEGV" }));
    const native = await reached({ as: "other-platform", home });
    assert.equal(native.interface, "binding");
    assert.match(native.reason ?? "", /does not work on .*: it ended with SIGSEGV/);
    const { code, stdout, stderr } = await predict({ as: "other-platform", home });
    assert.equal(code, 0, stderr);
    assert.equal(warnings(stderr), 1, stderr);
    assert.deepEqual(answer(stdout), answer(expected));
    writeFileSync(join(kept, file!), "half a verd");
    assert.deepEqual(await reached({ as: "other-platform", home }), { interface: "c-api" });
  });

  test("LOCKSTEP_NATIVE: the binding without a warning, the C interface or nothing, and no other word", async () => {
    const { code, stdout, stderr } = await predict({ native: "binding", home });
    assert.equal(code, 0, stderr);
    assert.equal(warnings(stderr), 0, stderr);
    assert.deepEqual(answer(stdout), answer(expected));
    const refused = await lockstep({ native: "c-api", as: "no-koffi", home }, "doctor");
    assert.match(refused.stdout, /LOCKSTEP_NATIVE=c-api asks for .* Cannot find package 'koffi'\. Unset it/);
    const unknown = await predict({ native: "fast", home });
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /LOCKSTEP_NATIVE is one of c-api, binding, not "fast"/);
  });
});

function answer(stdout: string): unknown {
  const { label, probability, profile } = JSON.parse(stdout) as Record<string, unknown>;
  return { label, probability, profile };
}
