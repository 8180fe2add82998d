/** `lockstep ls`: the versions of a store, oldest first. */
import type { Command } from "commander";
import { list, type ListedVersion } from "../api/index.ts";
import { JSON_FLAG } from "./flags.ts";
import { createOutput, percent } from "./output.ts";

export function addLs(program: Command): void {
  program
    .command("ls")
    .description("list the versions of a store")
    .argument("<store>")
    .option(...JSON_FLAG)
    .addHelpText("after", "\nExample:\n  lockstep ls ./models/mine")
    .action(async (store: string, { json }: { json?: true }) => {
      const output = createOutput(json === true);
      const listing = await list(store);
      output.result(listing);
      if (listing.versions.length === 0) output.print("no versions yet");
      else for (const line of columns([HEADER, ...listing.versions.map(cells)])) output.print(line);
    });
}

const HEADER = ["VERSION", "WRITTEN (UTC)", "LABELS", "ACCURACY", "ALIASES", ""];

function cells({ name, aliases, created, labels, testAccuracy, validationAccuracy, problem }: ListedVersion): string[] {
  const accuracy =
    testAccuracy !== undefined
      ? percent(testAccuracy)
      : validationAccuracy !== undefined
        ? `${percent(validationAccuracy)} (validation)`
        : "-";
  return [
    name.slice(0, 12),
    created.slice(0, 19).replace("T", " "),
    String(labels ?? "-"),
    accuracy,
    aliases.join(", "),
    problem === undefined ? "" : `DAMAGED: ${problem}`,
  ];
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
