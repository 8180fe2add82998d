/** A training of one worker in a process of its own, for the ceiling in threads.ts: trains the steps it is told to. */
import { bankingTask, openTraining } from "./banking.ts";
import { measured, type Steps } from "./threads-side.ts";

const side = await openTraining(await bankingTask(), 1);
process.on("message", (steps: Steps) => {
  void measured(side, steps).then((rate) => process.send?.(rate));
});
process.once("disconnect", () => void side.phase.close());
process.send?.("ready");
