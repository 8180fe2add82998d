/**
 * Publishing into a living server, and learning there, on a disk that fails from one step on and goes on failing: for
 * every kind of step; publish-faults.long.test.ts has each that there is. What the alias never named, or the store
 * lacks, never answers; a receipt that was handed out is replayed to the same answer. The server answers with what it
 * has as long as the log takes receipts, and says what is wrong where it does not. Once the disk is mended, publishing
 * works. @concurrent
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { isLockstepError, LockstepError } from "../../src/base/index.ts";
import { replay } from "../../src/edge/api/index.ts";
import type { AuditLog } from "../../src/work/audit/index.ts";
import { nodeFileSystem, openStore, withSteps, type FileSystem } from "../../src/work/store/index.ts";
import { tinyFiles } from "../serve/tiny-version.ts";
import { kindOf } from "../store/support/kind-of.ts";
import { madeStore, served, writeFolder, type Served } from "./support.ts";

const QUESTION = "my card has not arrived";

const NAMING = "rename tmp/tmp-* aliases/champion";

/** A disk that fails at the first step of a kind and after it, until it is mended. */
class Disk {
  /** Every version that the champion has named. */
  readonly named = new Set<string>();
  readonly fs: FileSystem;
  /** The kinds of steps that it has made, in their order. */
  readonly kinds = new Set<string>();
  #fatal = "";
  #broken = false;

  constructor(root: string) {
    const stepped = withSteps(nodeFileSystem, root, (step) => {
      const kind = kindOf(step);
      this.kinds.add(kind);
      this.#broken ||= kind === this.#fatal;
      if (this.#broken) throw Object.assign(new Error("broken"), { code: "EIO" });
    });
    this.fs = {
      ...stepped,
      rename: async (from, to) => {
        const alias = basename(dirname(to)) === "aliases" ? readFileSync(from, "utf8").trim() : undefined;
        // before an answer can follow it; an alias that is not moved after all is one that nothing followed
        if (alias !== undefined && !this.#broken && this.#fatal !== NAMING) this.named.add(alias);
        await stepped.rename(from, to);
      },
    };
  }

  get broken(): boolean {
    return this.#broken;
  }
  breakAt(kind: string): void {
    this.#fatal = kind;
  }
  mend(): void {
    [this.#fatal, this.#broken] = ["", false];
  }
}

/** The log lies on the same disk. */
function breakWith(disk: Disk, audit: AuditLog): void {
  const { append, check } = audit;
  const unlessBroken = <A extends unknown[], R>(work: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (disk.broken) throw new LockstepError("DISK_FAILED", "the log's disk is broken");
      return await work.apply(audit, args);
    };
  };
  audit.append = unlessBroken(append);
  audit.check = unlessBroken(check);
}

for (const logToo of [false, true])
  test(`from every kind of step on, and the log lies ${logToo ? "on that disk" : "elsewhere"}`, async (t) => {
    await using made = await madeStore([1]);
    const receipts = join(made.folder, "receipts.sqlite");
    const folder = join(made.folder, "next");
    const store = await openStore(made.store);
    const disk = new Disk(made.store);
    disk.named.add(made.versions[0]!);
    let answers = 0;
    let refused = 0;
    let failures = 0;
    const seen = new Set<string>();
    const ask = async (one: Served, model?: string): Promise<string | undefined> => {
      try {
        const [answer] = await one.ask(QUESTION, model);
        answers++;
        assert.ok(disk.named.has(answer!.version), "an answer of a version that the alias never named");
        assert.ok(existsSync(join(made.store, "versions", answer!.version)), "an answer of a version in no store");
        seen.add(answer!.version);
        return answer!.version;
      } catch (error) {
        assert.ok(logToo && isLockstepError(error) && error.code === "DISK_FAILED", String(error));
        refused++;
        return undefined;
      }
    };
    {
      await using one = await served(made.store, { fs: disk.fs, receipts });
      if (logToo) breakWith(disk, one.audit!);
      let over = false;
      const asking = (async () => {
        for (let i = 0; !over; i++) await ask(one, i % 2 === 0 ? undefined : "champion");
      })();
      asking.catch(() => undefined); // thrown where it is awaited
      await writeFolder(folder, tinyFiles(2));
      await one.service.publish({ source: folder });
      for (const [at, kind] of [...disk.kinds].entries()) {
        await writeFolder(folder, tinyFiles(3 + at));
        const before = one.model.version;
        disk.breakAt(kind);
        const error = await one.service.publish({ source: folder }).then(
          () => undefined,
          (thrown: unknown) => thrown,
        );
        assert.ok(disk.broken, kind);
        if (error !== undefined) {
          failures++;
          assert.ok(isLockstepError(error) && error.code === "DISK_FAILED", String(error));
        }
        const named = await store.alias("champion");
        if (error !== undefined && named === before) assert.equal(one.model.version, before);
        while (one.model.version !== named) await delay(10); // an alias that could not be put back is followed
        const learned = one.model.learn([{ text: QUESTION, label: "cash" }]);
        await assert.rejects(learned, { code: "DISK_FAILED" }, "what is learned has to be stored here");
        assert.equal(one.model.version, named);
        assert.equal(await ask(one), logToo ? undefined : named);
        assert.equal(one.service.notReady()?.code, logToo ? "DISK_FAILED" : undefined);

        disk.mend();
        while (one.service.notReady() !== undefined) await delay(10); // nobody has to ask
        const { version } = await one.service.publish({ source: folder });
        assert.deepEqual([one.model.version, await store.alias("champion")], [version, version]);
        assert.equal(await ask(one, "champion"), version);
      }
      over = true;
      await asking;
    }
    t.diagnostic(`${failures} failed publishes, ${answers} answers of ${seen.size} versions, ${refused} refused`);
    assert.ok(failures > 10 && answers > failures && seen.size > failures);
    assert.equal(refused > failures / 2, logToo);
    const report = await replay(made.store, { log: receipts });
    assert.equal(report.same, answers);
    await openStore(made.store);
    assert.deepEqual(
      readdirSync(join(made.store, "tmp")).filter((name) => name.startsWith("tmp-")),
      [],
      "what was left half-written is removed when the store is next opened",
    );
  });
