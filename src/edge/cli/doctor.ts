/** `lockstep doctor`: what is installed, which runtime answers and why, and what to do. */
import type { Command } from "commander";
import { doctor, LockstepError } from "../api/index.ts";
import { JSON_FLAG } from "./flags.ts";
import { createOutput, tellJudged } from "./output.ts";

export function addDoctor(program: Command): void {
  program
    .command("doctor")
    .description("say what is installed, which runtime is used and why, and what to do")
    .option(...JSON_FLAG)
    .addHelpText("after", "\nExits with 1 where nothing can be trained or served.")
    .action(async ({ json }: { json?: true }) => {
      const output = createOutput(json === true);
      const report = await doctor();
      const { totalMiB, freeMiB } = report.memory;
      output.print(`lockstep ${report.lockstep}, Node ${report.node}, ${report.platform}`);
      output.print(`${report.cpu}, ${report.cores} cores, ${totalMiB} MiB of memory (${freeMiB} free)`);
      for (const { name, purpose, version, works, problem } of report.parts) {
        output.print(`${works ? "ok      " : "missing "} ${name} ${version ?? ""}`.trimEnd() + ` - ${purpose}`);
        if (problem !== undefined) output.print(`         ${problem}`);
      }
      output.print(`runtime  ${report.executor ?? "none"}: ${report.reason}`);
      if (report.native !== undefined) {
        const { interface: reached, reason } = report.native;
        output.print(
          reached === "c-api"
            ? "native   through its C interface: results in place, weights shared, runs that can be ended"
            : `native   through its package's binding: ${reason}`,
        );
      }
      output.print(`keys     ${report.stateFolder}`);
      tellJudged(output, report, () => {
        if (!report.ok)
          throw new LockstepError("RUNTIME_MISSING", `nothing can be trained or served: ${report.reason}`);
      });
    });
}
