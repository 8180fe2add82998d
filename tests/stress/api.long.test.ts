/**
 * P1 under load: questions at a fixed rate while versions are published over and over. No error, every answer bit-equal
 * to its own version's answer computed alone, and memory that does not grow. Then P5: the log of those answers
 * replayed.
 * LOCKSTEP_LOAD_SECONDS sets how long (20 if unset).
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { isLockstepError, loadModel, replay, serve, type Classification } from "../../src/edge/api/index.ts";
import { readTable } from "../../src/language/data/index.ts";
import { exportLog, verifyExport } from "../../src/work/audit/index.ts";
import { openLoad, percentile } from "./load.ts";
import { TABLE, tinyStore } from "./tiny-store.ts";

const SECONDS = Number(process.env["LOCKSTEP_LOAD_SECONDS"] ?? 20);
const PUBLISH_EVERY_MS = 2000;
const MEBIBYTE = 2 ** 20;

test(
  "open-loop load with a publish every two seconds, then replay of its log",
  { timeout: (SECONDS + 180) * 1000 },
  async (t) => {
    await using tiny = await tinyStore([1, 2, 3]);
    const { texts } = await readTable(TABLE);
    const alone = new Map<string, Map<string, Classification>>();
    for (const version of tiny.versions) {
      await using model = await loadModel(tiny.store, { version, threads: 1 });
      const answers = new Map<string, Classification>();
      for (const text of texts) answers.set(text, await model.classify(text));
      alone.set(version, answers);
    }
    const keyFile = join(tiny.folder, "publish-key");
    const auditKey = join(tiny.folder, "receipts-key.pem");
    const before = process.env["LOCKSTEP_HOME"];
    process.env["LOCKSTEP_HOME"] = join(tiny.folder, "home");
    t.after(() => {
      if (before === undefined) delete process.env["LOCKSTEP_HOME"];
      else process.env["LOCKSTEP_HOME"] = before;
    });
    const resident: number[] = [];
    const published: string[] = [];
    const failures: string[] = [];
    const server = await serve(tiny.store, {
      threads: 2,
      auditKey,
      http: { port: 0, keyFile },
      onError: (error) => failures.push(error.message),
    });
    try {
      const authorization = `Bearer ${(await readFile(keyFile, "utf8")).trim()}`;
      let publishing: Promise<void> = Promise.resolve();
      const publish = async (): Promise<void> => {
        const source = tiny.versions[published.length % tiny.versions.length]!;
        published.push(source);
        const reply = await fetch(`${server.url}/v1/models/publish`, {
          method: "POST",
          headers: { "content-type": "application/json", authorization },
          body: JSON.stringify({ source }),
        });
        if (!reply.ok) failures.push(`publish: ${reply.status} ${await reply.text()}`);
        else await reply.arrayBuffer();
        resident.push(process.memoryUsage.rss());
      };
      const timer = setInterval(() => {
        publishing = publishing.then(publish);
      }, PUBLISH_EVERY_MS);
      const report = await openLoad({ url: server.url, perSecond: 60, seconds: SECONDS, texts });
      clearInterval(timer);
      await publishing;

      assert.deepEqual(report.errors, []);
      assert.deepEqual(failures, []);
      const seen = new Map<string, number>();
      for (const { text, answer } of report.answers) {
        const expected = alone.get(answer.version)?.get(text);
        assert.ok(expected, `an answer from ${answer.version}`);
        assert.equal(answer.probability, expected.probability);
        assert.deepEqual(answer.top, expected.top);
        assert.ok(answer.receipt);
        seen.set(answer.version, (seen.get(answer.version) ?? 0) + 1);
      }
      assert.equal(seen.size, tiny.versions.length, "every version answered");
      const pairs = texts.flatMap((text) => [...alone.values()].map((answers) => answers.get(text)?.probability));
      assert.ok(new Set(pairs).size > texts.length, "the versions answer differently, so that the comparison can fail");
      const third = resident[2] ?? NaN;
      const last = Math.max(...resident.slice(-3));
      const times = report.answers.map(({ milliseconds }) => milliseconds);
      t.diagnostic(
        `${report.answers.length} answers over ${SECONDS} s, ${published.length} publishes, 0 errors; latency ` +
          `p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms; per ` +
          `version ${[...seen.values()].join(", ")}`,
      );
      t.diagnostic(
        `resident after the third publish ${(third / MEBIBYTE).toFixed(0)} MiB, at the end ` +
          `${(last / MEBIBYTE).toFixed(0)} MiB: all ` +
          resident.map((bytes) => (bytes / MEBIBYTE).toFixed(0)).join(" "),
      );
      assert.ok(last < 1.25 * third + 64 * MEBIBYTE, "memory grows with every publish");
    } finally {
      await server.close();
    }

    const log = server.auditPath ?? "";
    const publicKey = await readFile(`${auditKey}.pub`, "utf8");
    const replayed = await replay(tiny.store, { log, publicKey });
    assert.deepEqual([replayed.log.signedBy, replayed.log.kept], ["given-key", replayed.log.count]);
    assert.ok(replayed.count >= 200);
    assert.equal(replayed.same, replayed.count, JSON.stringify(replayed.details[0]));
    t.diagnostic(`replay: ${replayed.same} of ${replayed.count} the same`);

    const exported = join(tiny.folder, "receipts.jsonl");
    await exportLog(log, exported);
    assert.equal((await verifyExport(exported)).problem, undefined);
    const bytes = await readFile(exported);
    const middle = bytes.length >> 1;
    bytes[middle] = bytes[middle]! ^ 1;
    await writeFile(exported, bytes);
    assert.ok((await verifyExport(exported)).problem, "one changed byte");
    const database = new DatabaseSync(log);
    database.exec(`DELETE FROM receipts WHERE idx >= ${replayed.count - 3}`);
    database.close();
    await assert.rejects(
      replay(tiny.store, { log, publicKey }),
      (error) => isLockstepError(error) && error.code === "LOG_CORRUPT",
      "a dropped tail",
    );
  },
);
