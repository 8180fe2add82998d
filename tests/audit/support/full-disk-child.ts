/**
 * Appends receipts until the file-size limit that it was started under stops it; prints how many were confirmed and the
 * error's code. Argument: the log.
 */
import { isLockstepError } from "../../../src/base/index.ts";
import { openAuditLog } from "../../../src/work/audit/index.ts";
import { input } from "./inputs.ts";

const log = await openAuditLog(process.argv[2] ?? "");
let confirmed = 0;
let code = "no error";
while (code === "no error" && confirmed < 1000) {
  try {
    await log.append({ ...input(confirmed), request: JSON.stringify({ text: "x".repeat(20_000) }) });
    confirmed++;
  } catch (error) {
    code = isLockstepError(error) ? error.code : String(error);
  }
}
console.log(JSON.stringify({ confirmed, code }));
process.exit();
