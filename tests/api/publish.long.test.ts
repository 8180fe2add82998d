/**
 * Publishing in one order: loaded and trusted, durable, named, answering, said. What fails changes nothing, and who
 * looks sees the version that answers. @concurrent
 */
import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { publish } from "../../src/edge/api/index.ts";
import { encodeSafetensors, readSafetensors, type HostTensor } from "../../src/numeric/tensor/index.ts";
import { nodeFileSystem, openStore, withSteps } from "../../src/work/store/index.ts";
import { code, until } from "../handle/support.ts";
import { tinyFiles } from "../serve/tiny-version.ts";
import { madeStore, served, writeFolder } from "./support.ts";

/** Every weight finite, no answer. */
function untrusted(seed: number): ReadonlyMap<string, Uint8Array> {
  const files = new Map(tinyFiles(seed));
  const tensors = readSafetensors(files.get("model.safetensors")!).tensors as ReadonlyMap<
    string,
    HostTensor<"float32">
  >;
  for (const { data } of tensors.values()) data.fill(3e38);
  return files.set("model.safetensors", encodeSafetensors(tensors));
}

test("an alias that cannot be moved, or a full disk: the version before goes on", async () => {
  await using made = await madeStore([1]);
  const folder = await writeFolder(join(made.folder, "two"), tinyFiles(2));
  let fatal: RegExp | undefined;
  const fs = withSteps(nodeFileSystem, made.store, (step) => {
    if (fatal?.test(step) !== true) return;
    fatal = undefined;
    throw Object.assign(new Error("full"), { code: "ENOSPC" });
  });
  await using one = await served(made.store, { fs });
  for (const step of [/^create tmp/, /^rename tmp.* aliases/, /^sync folder aliases/]) {
    fatal = step;
    await assert.rejects(one.service.publish({ source: folder }), code("DISK_FAILED"), String(step));
    const [answer] = await one.ask("my card", "champion");
    assert.equal(answer!.version, made.versions[0]);
    assert.equal(one.service.models()[0]!.version, made.versions[0]);
    assert.equal(await (await openStore(made.store)).alias("champion"), made.versions[0]);
  }
});

test("a version whose numbers cannot be trusted is refused, served or not, and leaves nothing", async () => {
  await using made = await madeStore([1]);
  const folder = await writeFolder(join(made.folder, "poison"), untrusted(2));
  await using one = await served(made.store);
  for (const refused of [() => one.service.publish({ source: folder }), () => publish(made.store, folder)])
    await assert.rejects(refused, (error: { code?: string; httpStatus?: number }) => {
      assert.equal(error.code, "WEIGHTS_INVALID");
      assert.equal(error.httpStatus, 422);
      return true;
    });
  assert.deepEqual(await readdir(join(made.store, "versions")), [...made.versions]);
  assert.equal(await (await openStore(made.store)).alias("champion"), made.versions[0]);
});

test("two servers on one store: what one publishes, or a process moves, the other answers with", async () => {
  await using made = await madeStore([1, 2]);
  const [first, second] = made.versions;
  await using a = await served(made.store);
  await using b = await served(made.store);
  await a.service.publish({ source: second! });
  const [named] = await b.ask("my card", "champion");
  assert.equal(named!.version, second, "asked by alias, at once");
  await (await openStore(made.store)).setAlias("champion", first!);
  await until(() => a.model.version === first && b.model.version === first);
  for (const { service } of [a, b]) {
    assert.deepEqual(service.models()[0]!.aliases, ["champion"]);
    const status = service.status();
    assert.ok(status.state === "serving" && status.model.version === first);
  }
  await assert.rejects(b.ask("my card", second), code("NOT_FOUND"));
  assert.deepEqual([...a.errors, ...b.errors], []);
});

test("after learning, status and models name what answers; it is stored where receipts are kept", async () => {
  await using made = await madeStore([1]);
  const receipts = join(made.folder, "receipts.sqlite");
  await using one = await served(made.store, { receipts });
  await assert.rejects(one.model.learn([{ text: "my card", label: "cash" }], { store: false }), code("OPTION_INVALID"));
  const { version } = await one.model.learn([{ text: "my card", label: "cash" }]);
  const status = one.service.status();
  assert.ok(status.state === "serving" && status.model.version === version);
  assert.equal(one.service.models()[0]!.version, version);
  assert.ok((await readdir(join(made.store, "versions"))).includes(version));
  await assert.rejects(one.ask("my card", "champion"), (error) => {
    const { message } = error as Error;
    return (
      code("NOT_FOUND")(error) &&
      message.includes(`the alias "champion" names, version ${made.versions[0]!.slice(0, 12)}`)
    );
  });
  await one.service.publish({ source: version });
  assert.equal((await one.ask("my card", "champion"))[0]!.version, version, "what was learned has the alias now");
});

test("an alias moved to a version that cannot be loaded yet: it answers as soon as it can be", async () => {
  await using made = await madeStore([1, 2]);
  const [first, second] = made.versions;
  const weights = join(made.store, "versions", second!, "model.safetensors");
  const whole = await readFile(weights);
  await using one = await served(made.store);
  await writeFile(weights, whole.with(whole.length - 1, whole.at(-1)! ^ 1));
  await (await openStore(made.store)).setAlias("champion", second!);
  await until(() => one.errors.length >= 2);
  assert.ok(one.errors.every(code("VERSION_CORRUPT")), String(one.errors[0]));
  assert.equal((await one.ask("my card"))[0]!.version, first);
  await assert.rejects(one.ask("my card", "champion"), code("NOT_FOUND"));
  await writeFile(weights, whole);
  await until(() => one.model.version === second);
  assert.equal((await one.ask("my card", "champion"))[0]!.version, second);
});

test("an alias that is taken away: what answers goes on, and follows it when it is back", async () => {
  await using made = await madeStore([1, 2]);
  const [first, second] = made.versions;
  await using one = await served(made.store);
  const store = await openStore(made.store);
  await store.removeAlias("champion");
  await until(() => one.service.models()[0]!.aliases.length === 0);
  assert.equal((await one.ask("my card"))[0]!.version, first);
  await assert.rejects(one.ask("my card", "champion"), code("NOT_FOUND"));
  await store.setAlias("champion", first!);
  await until(() => one.service.models()[0]!.aliases.length === 1);
  assert.equal((await one.ask("my card", "champion"))[0]!.version, first);
  await store.removeAlias("champion");
  await store.setAlias("champion", second!);
  await until(() => one.model.version === second);
  assert.deepEqual([one.service.models()[0]!.aliases, one.errors], [["champion"], []]);
});
