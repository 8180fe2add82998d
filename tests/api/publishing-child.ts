/**
 * A server's service, without HTTP, that publishes folder after folder, asks at once, and prints each answer's version
 * and receipt as soon as it has it. Killed by the test that started it. Arguments: the store, the log, a folder, and
 * the first seed.
 */
import { tinyFiles } from "../serve/tiny-version.ts";
import { served, writeFolder } from "./support.ts";

const [store = "", receipts = "", folder = "", seed = "0"] = process.argv.slice(2);
await using one = await served(store, { receipts });
for (let next = Number(seed); ; next++) {
  const source = await writeFolder(folder, tinyFiles(next));
  const publishing = one.service.publish({ source }).then(() => "published");
  for (let state = "before"; ;) {
    const [answer] = await one.ask("my card has not arrived");
    process.stdout.write(`${state} ${answer!.version} ${answer!.receipt!}\n`);
    if (state === "published") break;
    state = await Promise.race([publishing, Promise.resolve(state)]);
  }
}
