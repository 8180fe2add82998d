/**
 * A process that appends `count` receipts, a few at a time, and prints the hash of each once it is confirmed.
 * Arguments: log, key, name, count, and the folder of kept heads.
 */
import { openAuditLog } from "../../../src/work/audit/index.ts";
import { input } from "./inputs.ts";

const [path = "", keyPath = "", name = "", count = "0", keptHeads] = process.argv.slice(2);
await using log = await openAuditLog(path, {
  keyPath,
  signEvery: 7,
  ...(keptHeads === undefined ? {} : { keptHeads }),
});
for (let i = 0; i < Number(count); i += 4) {
  const receipts = await Promise.all([0, 1, 2, 3].map((k) => log.append(input(i + k, name))));
  process.stdout.write(receipts.map(({ hash }) => `${hash}\n`).join(""));
}
