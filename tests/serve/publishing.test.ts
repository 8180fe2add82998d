/** A scheduler publishes one version at a time, and says so; a model puts its changes in a queue before it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { openTiny, tiny } from "../handle/support.ts";
import { rig, settle, version } from "./fake.ts";

test("a second publication is refused while one is under way, names the version, and may be tried again", async () => {
  const held = Promise.withResolvers<void>();
  const { scheduler, replicas, errors } = rig({
    onOpen: (_replica, index) => (index === 1 ? held.promise : undefined),
  });
  await scheduler.publish(version(1));
  const first = scheduler.publish(version(2));
  await settle();
  await assert.rejects(scheduler.publish(version(3)), (error) => {
    assert.ok(isLockstepError(error) && error.code === "CONFLICT" && error.retryable);
    assert.match(error.message, /version v3 has to wait until another one is published/);
    return true;
  });
  assert.equal(replicas.length, 2, "no replica was opened for what was refused");
  assert.equal(scheduler.current?.name, "v1");
  held.resolve();
  await first;
  assert.equal(scheduler.current?.name, "v2");
  await scheduler.publish(version(3));
  assert.deepEqual([scheduler.current?.name, errors], ["v3", []]);
  await scheduler.close();
});

test("a model takes publications at once, and makes them one after another", async () => {
  await using model = await openTiny(1);
  const versions = await Promise.all([2, 3, 4].map((seed) => tiny(seed)));
  const seen: string[] = [];
  model.onVersion(() => seen.push(model.version));
  await Promise.all(versions.map((one) => model.publish(one)));
  assert.deepEqual(
    seen,
    versions.map(({ name }) => name),
  );
});
