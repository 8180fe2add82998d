/**
 * Publishing into a living server, and each step of the disk failing once: no answer comes from a version that the
 * store lacks or that the alias never named, and every receipt is replayed to the same answer. Between the alias and
 * the swap that follows it lie some milliseconds in which the version before still answers. @concurrent
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { replay } from "../../src/edge/api/index.ts";
import { nodeFileSystem, openStore, withSteps } from "../../src/work/store/index.ts";
import { tinyFiles } from "../serve/tiny-version.ts";
import { madeStore, served, writeFolder } from "./support.ts";

test("a publish that fails at any step of the disk leaves what answers, and everything can be replayed", async (t) => {
  await using made = await madeStore([1]);
  const receipts = join(made.folder, "receipts.sqlite");
  const folder = join(made.folder, "two");
  let step = 0;
  let fatal = Infinity;
  const fs = withSteps(nodeFileSystem, made.store, () => {
    step++;
    if (step === fatal) throw Object.assign(new Error("full"), { code: "ENOSPC" });
  });
  const store = await openStore(made.store);
  let failures = 0;
  let answers = 0;
  const seen = new Set<string>();
  {
    await using one = await served(made.store, { fs, receipts });
    let over = false;
    /** What the alias named when the present publish began. */
    let standing = await store.alias("champion");
    const asking = (async () => {
      while (!over) {
        const before = [standing, await store.alias("champion")];
        const [answer] = await one.ask("my card has not arrived");
        const after = [standing, await store.alias("champion")];
        assert.ok(
          [...before, ...after].includes(answer!.version),
          "an answer of a version that the alias does not name",
        );
        assert.ok(existsSync(join(made.store, "versions", answer!.version)), "an answer of a version in no store");
        seen.add(answer!.version);
        answers++;
      }
    })();
    asking.catch(() => undefined); // thrown where it is awaited
    for (let at = 1, seed = 2; ; at++) {
      await writeFolder(folder, tinyFiles(seed));
      const named = await store.alias("champion");
      standing = named;
      [step, fatal] = [0, at];
      const failed = await one.service.publish({ source: folder }).then(
        () => false,
        () => true,
      );
      fatal = Infinity;
      if (!failed) {
        assert.notEqual(await store.alias("champion"), named);
        if (step < at) break; // it ended before the step that would have failed
        seed++; // a step that may fail: what was left to clean
        continue;
      }
      failures++;
      assert.equal(await store.alias("champion"), named);
      assert.equal(one.model.version, named);
    }
    over = true;
    await asking;
    seen.add((await one.ask("my card has not arrived", "champion"))[0]!.version); // the one publish that did not fail
    answers++;
  }
  t.diagnostic(`${failures} failed publishes, ${answers} answers of ${seen.size} versions`);
  assert.ok(failures > 30 && answers > failures && seen.size > 1);
  const report = await replay(made.store, { log: receipts });
  assert.equal(report.same, answers);
});
