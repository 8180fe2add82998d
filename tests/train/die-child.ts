/**
 * Trainings one of whose workers dies, each resumed by a healthy one; then an undisturbed one. Prints the error and the
 * final states. Argument: a folder.
 */
import { join } from "node:path";
import { isLockstepError } from "../../src/base/index.ts";
import { runTraining } from "../../src/work/train/index.ts";
import { SMALL, smallInput } from "./small.ts";

const [folder = ""] = process.argv.slice(2);
const input = await smallInput({ ...SMALL, finetune: { ...SMALL.finetune, epochs: 0 } }, 96);
const run = async (name: string, resume: boolean): Promise<string> =>
  (await runTraining(input, { threads: 3, checkpoints: { folder: join(folder, name), everySeconds: 0, resume } }))
    .stateDigest;

const deaths: { how: string; code: string; message: string; resumed: string }[] = [];
for (const how of ["exit", "throw"]) {
  process.env["LOCKSTEP_TEST_DEATH"] = how;
  const error = await run(how, false).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  delete process.env["LOCKSTEP_TEST_DEATH"];
  deaths.push({
    how,
    code: isLockstepError(error) ? error.code : String(error),
    message: isLockstepError(error) ? error.message : "",
    resumed: await run(how, true),
  });
}
console.log(JSON.stringify({ deaths, undisturbed: await run("undisturbed", false) }));
