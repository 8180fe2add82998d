/**
 * The verbs that run for a while, and how they end: Ctrl-C in a training, a server with publishes and receipts, closed
 * pipes, every refusal. @concurrent
 */
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { receiptsOf, rewrite, sql } from "../audit/support/forge.ts";
import { Commands, finish, jsonLines, refuses, seen, set, SMALL, TINY, type Failure } from "./command.ts";

const LONGER = [...SMALL, ...set("finetune.epochs=60")];

describe("the command line for a while", () => {
  const commands = new Commands();
  const store = commands.path("store");
  const versions: string[] = [];
  after(() => {
    commands[Symbol.dispose]();
  });

  before(async () => {
    for (const seed of ["1", "2"]) {
      const { code, stdout, stderr } = await commands.run([
        "train",
        "--data",
        TINY,
        "--out",
        store,
        "--seed",
        seed,
        ...SMALL,
        "--json",
      ]);
      assert.equal(code, 0, stderr);
      versions.push(jsonLines<{ version: string }>(stdout)[0]!.version);
    }
  });

  test("an alias is given with publish, seen with ls, and taken away with remove", async () => {
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await commands.run([...args, "--json"]);
      assert.equal(code, 0, stderr);
      return jsonLines<{ aliases?: Record<string, string>; version?: string }>(stdout)[0]!;
    };
    const [first, second] = versions;
    await run("publish", store, first!, "--alias", "challenger");
    assert.deepEqual((await run("ls", store)).aliases, { challenger: first, champion: second });
    assert.equal((await run("remove", store, "--alias", "challenger")).version, first);
    assert.deepEqual((await run("ls", store)).aliases, { champion: second });
  });

  const train = (out: string, ...more: string[]): string[] => [
    "train",
    "--data",
    TINY,
    "--out",
    commands.path(out),
    "--threads",
    "2",
    ...LONGER,
    "--json",
    ...more,
  ];
  let whole: ReturnType<typeof commands.run> | undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    test(
      `${signal} in a training saves and ends with 130; --resume ends with the version of a training that was ` +
        "not interrupted",
      async () => {
        const child = commands.start(train(`cut-${signal}`));
        const ended = finish(child);
        await seen(child, "stderr", "classify: epoch 3 of 60");
        child.kill(signal);
        const cut = await ended;
        assert.equal(cut.code, 130, cut.stderr);
        const [before, after] = cut.stderr.split("interrupted: ");
        assert.match(before ?? "", /stopping after this step[^\n]*\n(?:\d\/\d classify[^\n]*\n)?$/);
        assert.match(
          after ?? "",
          /^training was interrupted at step \d+ of \d\/\d classify and saved; go on with --resume\n$/,
        );
        assert.equal(jsonLines<Failure>(cut.stdout)[0]?.error.code, "CANCELLED");
        assert.deepEqual(
          readdirSync(commands.path(`cut-${signal}`, "versions")),
          [],
          "an interrupted training publishes nothing",
        );
        const resumed = await commands.run(train(`cut-${signal}`, "--resume", "--threads", "1"));
        assert.match(resumed.stderr, /resumed \d\/\d classify at step \d+/);
        const [a, b] = [resumed, await (whole ??= commands.run(train("whole")))].map(
          ({ stdout }) => jsonLines<{ version: string; stateSha256: string }>(stdout)[0]!,
        );
        assert.deepEqual([a?.version, a?.stateSha256], [b?.version, b?.stateSha256]);
      },
    );
  }

  test("serve says one JSON line, takes a publish, keeps receipts that replay, and ends with 0", async () => {
    const child = commands.start([
      "serve",
      store,
      "--port",
      "0",
      "--threads",
      "1",
      "--version",
      versions[0]!,
      "--json",
    ]);
    const ended = finish(child);
    const { url, port, version } = JSON.parse(await seen(child, "stdout", "url")) as {
      url: string;
      port: number;
      version: string;
    };
    assert.equal(version, versions[0]);
    await refuses(commands, [[["serve", store, "--port", String(port), "--no-audit"], "PORT_IN_USE", /--port/]]);

    const ask = async (): Promise<string> => {
      const response = await fetch(`${url}/v1/classify`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ text: "where is my card" }),
      });
      return ((await response.json()) as { model: string }).model;
    };
    assert.equal(await ask(), versions[0]);
    const wrongKey = commands.path("wrong-key");
    writeFileSync(wrongKey, "x".repeat(43));
    const refused = await commands.run([
      "publish",
      store,
      versions[1]!,
      "--server",
      url,
      "--key-file",
      wrongKey,
      "--json",
    ]);
    assert.deepEqual(
      [refused.code, jsonLines<Failure>(refused.stdout)[0]?.error.code],
      [2, "UNAUTHORIZED"],
      refused.stderr,
    );
    assert.equal(await ask(), versions[0]);
    const published = await commands.run(["publish", store, versions[1]!.slice(0, 8), "--server", url, "--json"]);
    assert.equal(published.code, 0, published.stderr);
    assert.equal(await ask(), versions[1]);

    child.kill("SIGTERM");
    const { code, stdout, stderr } = await ended;
    assert.equal(code, 0, stderr);
    assert.equal(stdout.trimEnd().split("\n").length, 1);
    for (const place of [store, join(store, "receipts.sqlite")]) {
      const replayed = await commands.run(["replay", place, "--json"]);
      assert.equal(replayed.code, 0, replayed.stderr);
      const reports = jsonLines<{ count: number; same: number; error: null }>(replayed.stdout);
      assert.deepEqual(
        reports.map(({ count, same, error }) => [count, same, error]),
        [[3, 3, null]],
      );
    }
    const gone = await commands.run(["publish", store, versions[1]!, "--server", url]);
    assert.deepEqual([gone.code, /no answer from/.test(gone.stderr)], [1, true], gone.stderr);
    assert.deepEqual(commands.filesAtHome(), [], "nothing of the runtime's maker");
  });

  test("a log of receipts: who vouches for it, what is erased, and what is refused", async () => {
    const log = join(store, "receipts.sqlite");
    const file = commands.path("receipts.jsonl");
    const exported = await commands.run(["export-log", store, file, "--json"]);
    assert.equal(exported.code, 0, exported.stderr);
    const [, first] = jsonLines<{ receipt: { hash: string } }>(readFileSync(file, "utf8"));
    const erased = await commands.run(["erase", store, first!.receipt.hash]);
    assert.equal(erased.code, 0, erased.stderr);
    assert.match(erased.stdout, new RegExp(`erased the text of receipt ${first!.receipt.hash}`));
    const replayed = await commands.run(["replay", store]);
    assert.equal(replayed.code, 0, replayed.stderr);
    assert.match(
      replayed.stdout,
      /4 receipts are as the owner.*\nsigned by MCow.*\nthe head over 4 receipts.*\n3 answers: 2 same.*1 erased/,
    );
    assert.equal((await commands.run(["export-log", "--check", file])).code, 0);

    const versionsFolder = join(store, "versions");
    renameSync(versionsFolder, `${versionsFolder}-away`);
    mkdirSync(versionsFolder);
    const gone = await commands.run(["replay", store, "--json"]);
    assert.equal(gone.code, 1, gone.stderr);
    const told = jsonLines<{ notReplayable: number; error: { code: string } | null }>(gone.stdout);
    assert.deepEqual(
      told.map(({ notReplayable, error }) => [notReplayable, error?.code]),
      [[2, "CHECK_FAILED"]],
    );
    assert.match(gone.stderr, /2 of 3 answers could not be computed again.*--allow-not-replayable 2/);
    assert.equal((await commands.run(["replay", store, "--allow-not-replayable", "2"])).code, 0);
    rmdirSync(versionsFolder);
    renameSync(`${versionsFolder}-away`, versionsFolder);

    const away = commands.path("away");
    cpSync(log, away);
    const forged = receiptsOf(log).map((receipt) =>
      receipt.index === 1
        ? { ...receipt, summary: receipt.summary!.replace(/"label":"[^"]*"/, '"label":"forged"') }
        : receipt,
    );
    rewrite(log, forged);
    sql(log, "DELETE FROM heads");
    const headFile = `${log}.head.json`;
    cpSync(headFile, `${away}.head.json`);
    rmSync(headFile);
    const refused = [
      ["replay", store, "--json"],
      ["serve", store, "--port", "0", "--threads", "1", "--json"],
    ];
    for (const args of refused) {
      const { code, stdout, stderr } = await commands.run(args);
      assert.deepEqual([code, jsonLines<Failure>(stdout)[0]?.error.code], [1, "LOG_CORRUPT"], stderr);
    }
    cpSync(away, log);
    cpSync(`${away}.head.json`, headFile);
  });

  test("verify compares, and its control is caught", async () => {
    const { code, stdout, stderr } = await commands.run([
      "verify",
      store,
      "--version",
      versions[0]!,
      "--executor",
      "native",
      "--quick",
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /same bits {2}native/);
    assert.match(stdout, /caught .* negative control/);
  });

  test("publish moves an alias, and only from where it was expected", async () => {
    const moved = await commands.run(["publish", store, versions[0]!, "--alias", "challenger", "--json"]);
    assert.equal(jsonLines<{ version: string }>(moved.stdout)[0]?.version, versions[0]);
    const conflict = await commands.run([
      "publish",
      store,
      versions[0]!,
      "--alias",
      "challenger",
      "--expected",
      versions[1]!,
    ]);
    assert.deepEqual([conflict.code, /challenger/.test(conflict.stderr)], [1, true]);
    const other = commands.path("other");
    const folder = await commands.run([
      "publish",
      other,
      join(store, "versions", versions[0]!),
      "--no-alias",
      "--json",
    ]);
    assert.equal(
      jsonLines<{ version: string }>(folder.stdout)[0]?.version,
      versions[0],
      "a version keeps its name in another store",
    );
    assert.deepEqual(readdirSync(join(other, "aliases")), []);
    const listed = await commands.run(["ls", store]);
    assert.match(listed.stdout, /^VERSION +WRITTEN.*\n(?:.*\n)*.*challenger/);
  });

  test("predict answers a text as soon as it comes, and stops waiting when it is told to", async () => {
    const child = commands.start(["predict", store, "--file", "-", "--json", "--threads", "1"], "pipe");
    const ended = finish(child);
    child.stdin!.write("where is my card\n");
    assert.match(await seen(child, "stdout", "where is my card"), /"label"/);
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    assert.equal(code, 130, stderr);
  });

  test("a reader that has seen enough ends it quietly", async () => {
    const child = commands.start(["predict", store, "--file", TINY, "--json", "--threads", "1"]);
    child.stdout!.destroy();
    let stderr = "";
    child.stderr!.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    assert.equal(
      await new Promise((resolve) => {
        child.on("exit", resolve);
      }),
      0,
    );
    assert.equal(stderr, "");
  });

  test(
    "standard output that cannot be written to: the work failed",
    { skip: !existsSync("/dev/full") && "there is no /dev/full" },
    async () => {
      const { code, stderr } = await commands.shell(`"$0" "$@" > /dev/full`, ["ls", store, "--json"]);
      assert.equal(code, 1);
      assert.match(stderr, /^error: .*standard output.* \[DISK_FAILED\]\n$/);
    },
  );

  test("every refusal before any work", async () => {
    writeFileSync(commands.path("one.csv"), "text,label\nhello there,a\ngood morning,a\n");
    writeFileSync(commands.path("empty.csv"), "");
    writeFileSync(
      commands.path("noise.csv"),
      Uint8Array.from({ length: 999 }, (_, i) => (i * 7919) & 255),
    );
    writeFileSync(commands.path("broken.json"), '{"recipe": {');
    writeFileSync(
      commands.path("other-data.json"),
      JSON.stringify({
        recipe: { data: { sha256: "0".repeat(64), text: "text", label: "intent" } },
        run: { data: TINY },
      }),
    );
    mkdirSync(commands.path("in-use"));
    writeFileSync(commands.path("in-use", "letter.txt"), "dear");
    await refuses(
      commands,
      [
        [["train", "--data", commands.path("empty.csv")], "DATA_INVALID", /empty/],
        [["train", "--data", commands.path("noise.csv")], "DATA_INVALID", /noise\.csv/],
        [["train", "--data", TINY, ...set("pretrain.epoch=3")], "OPTION_INVALID", /phases\[0\]: .*epoch/],
        [["train", "--data", TINY, ...set("model.num_attention_heads=3")], "OPTION_INVALID", /num_attention_heads/],
        [["train", "--data", TINY, "--set", "epochs"], "OPTION_INVALID", /NAME=VALUE/],
        [["train", "--data", TINY, "--threads", "0"], "OPTION_INVALID", /1 to 256/],
        [["train", "--data", TINY, "--alias", "Big One"], "OPTION_INVALID", /alias/],
        [
          ["train", "--data", TINY, "--out", commands.path("in-use"), ...SMALL],
          "OPTION_INVALID",
          /not a store and not empty/,
        ],
        [["train", "--data", TINY, "--from", commands.path("in-use")], "NOT_FOUND", /config\.json/],
        [["train", "--recipe", commands.path("broken.json")], "OPTION_INVALID", /not JSON/],
        [
          ["train", "--recipe", commands.path("other-data.json")],
          "DATA_INVALID",
          /not the file that the recipe was made for/,
        ],
        [["train", "--task", "translate", "--data", TINY], "OPTION_INVALID", /classify/],
        [["train"], "OPTION_INVALID", /--data/],
        [["frobnicate"], "OPTION_INVALID", /unknown command/],
        [["predict", store], "OPTION_INVALID", /no text/],
        [["predict", store, "hello", " "], "INPUT_INVALID", /text 2 is blank/],
        [["predict", store, "hello", "--version", "feed"], "NOT_FOUND", /feed/],
        [["predict", commands.path("no-store"), "hello"], "NOT_FOUND", /no-store/],
        [["ls", commands.path("no-store")], "NOT_FOUND", /not a store/],
        [["eval", store, "--data", commands.path("one.csv")], "DATA_INVALID", /none of the 3 known ones/],
        [["eval", store], "OPTION_INVALID", /--data/],
        [["publish", store, "feed"], "NOT_FOUND", /feed/],
        [["remove", store, "feed"], "NOT_FOUND", /feed/],
        [["remove", store], "OPTION_INVALID", /the version to remove, or --alias/],
        [["remove", store, versions[0]!, "--alias", "champion"], "OPTION_INVALID", /with no version/],
        [["remove", store, "--alias", "nobody"], "NOT_FOUND", /no alias "nobody"/],
        [["publish", store, versions[0]!, "--server", "ftp://nowhere"], "OPTION_INVALID", /server/],
        [["replay", commands.path("no-store")], "NOT_FOUND", /no-store/],
        [["verify", commands.path("no-store")], "NOT_FOUND", /no-store/],
        [["serve", store, "--port", "70000"], "OPTION_INVALID", /65535/],
        [["serve", store, "--no-audit", "--allowed-host", "Evil Host"], "OPTION_INVALID", /allowedHosts\[0\]/],
      ].map(([args, code, message]) => [args as string[], code as string, message as RegExp] as const),
    );
    assert.equal(existsSync(commands.path("models")), false, "nothing is made where nothing was done");
  });
});
