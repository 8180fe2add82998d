/**
 * A version whose tokenizer is run by the optional package `tokenizers`: its profile says so, the portable profile
 * refuses it (before a training, too), and where the package is missing it is refused by the part's name.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { registerHooks } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { loadModel, train } from "../../src/edge/api/index.ts";
import { Model } from "../../src/work/model/index.ts";
import { versionName, type NamedFiles } from "../../src/work/store/index.ts";
import { writeFolder } from "../api/support.ts";
import { tinyFiles } from "../serve/tiny-version.ts";
import { TINY } from "../stress/tiny-store.ts";
import { openTiny, TEXTS } from "./support.ts";

const refused = (message: RegExp) => (error: unknown) => {
  assert.ok(isLockstepError(error), String(error));
  assert.equal(error.code, "TOKENIZER_INVALID", error.message);
  assert.match(error.message, message);
  return true;
};

/** Strips white space too, which our own code does not: on these texts the same ids. */
async function stripping(): Promise<NamedFiles> {
  const files = new Map(tinyFiles(1));
  const json = JSON.parse(Buffer.from(files.get("tokenizer.json")!).toString()) as Record<string, unknown>;
  json["normalizer"] = {
    type: "Sequence",
    normalizers: [{ type: "Strip", strip_left: true, strip_right: true }, { type: "Lowercase" }],
  };
  files.set("tokenizer.json", Buffer.from(JSON.stringify(json)));
  files.delete("vocab.txt");
  const config = JSON.parse(Buffer.from(files.get("tokenizer_config.json")!).toString()) as Record<string, unknown>;
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  files.set("tokenizer_config.json", Buffer.from(JSON.stringify(config)));
  return { name: await versionName(files), files };
}

// First: the package is loaded once in a process.
test("where the package is missing, the version is refused by the part's name, and how to install it", async () => {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (/^tokenizers(\/|$)/.test(specifier))
        throw Object.assign(new Error("Cannot find module 'tokenizers'"), { code: "MODULE_NOT_FOUND" });
      return next(specifier, context);
    },
  });
  try {
    await assert.rejects(
      Model.open(await stripping(), { threads: 1 }),
      refused(/its normalizer\.normalizers\[0\] \(Strip\).*Cannot find module.*npm install tokenizers/s),
    );
  } finally {
    hooks.deregister();
  }
});

test("the profile names the library; the bits are those of our own code", async () => {
  await using own = await openTiny(1);
  await using model = await Model.open(await stripping(), { threads: 1 });
  const { tokenizer, id, ...rest } = model.profile;
  assert.match(tokenizer!, /^tokenizers \d+\.\d+\.\d+$/);
  assert.notEqual(id, own.profile.id);
  assert.deepEqual({ ...rest, id: own.profile.id }, own.profile);
  const given = await model.ask("classify", TEXTS);
  assert.equal(given.profile.id, id, "and so do its answers' receipts");
  const digests = (await own.classify(TEXTS)).map(({ digest }) => digest);
  assert.deepEqual(
    given.answers.map(({ digest }) => digest),
    digests,
  );
});

test("the portable profile refuses it, and so does a training from it, before it is begun", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-library-"));
  t.after(() => rm(folder, { recursive: true }));
  const encoder = await writeFolder(join(folder, "encoder"), (await stripping()).files);
  const portable = refused(/parts that only tokenizers \d+\.\d+\.\d+ runs, and the portable profile/);
  await assert.rejects(loadModel(encoder, { executor: "portable", threads: 1 }), portable);
  const seen: string[] = [];
  const out = join(folder, "store");
  const { model: _size, tokenizer: _own, ...settings } = TINY as Record<string, unknown> & typeof TINY;
  await assert.rejects(
    train(
      { ...settings, from: encoder, executor: "portable" },
      { out, threads: 1, onProgress: (event) => seen.push(JSON.stringify(event)) },
    ),
    portable,
  );
  assert.equal(
    seen.some((event) => /encode|"phase"|tokenizer/.test(event)),
    false,
    seen.join(),
  );
  assert.equal(existsSync(out), false, "and no store is made for it");
});
