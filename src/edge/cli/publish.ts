/** `lockstep publish`: a folder becomes a version, an alias moves, and a running server takes it over. */
import type { Command } from "commander";
import { publish, type PublishResult } from "../api/index.ts";
import { JSON_FLAG } from "./flags.ts";
import { createOutput } from "./output.ts";
import { onInterrupt } from "./signals.ts";

interface PublishFlags {
  readonly alias: string | false;
  readonly expected?: string;
  readonly server?: string;
  readonly keyFile?: string;
  readonly json?: true;
}

export function addPublish(program: Command): void {
  program
    .command("publish")
    .description("make a folder a version, and move an alias to a version; also into a running server")
    .argument("<store>")
    .argument("<source>", "an alias, a version, or a folder in the Hugging Face layout")
    .option("--alias <name>", "alias to move", "champion")
    .option("--no-alias", "move no alias")
    .option("--expected <ref>", "move it only if it names this version now")
    .option("--server <url>", "a running server of this store")
    .option("--key-file <file>", "the server's key (default: in $LOCKSTEP_HOME)")
    .option(...JSON_FLAG)
    .addHelpText(
      "after",
      `
Examples:
  lockstep publish ./models/mine 94c5                              the champion is version 94c5… now
  lockstep publish ./models/mine ./some-folder --alias challenger  a folder becomes a version
  lockstep publish ./models/mine 94c5 --server http://127.0.0.1:7070`,
    )
    .action(async (store: string, source: string, { json, ...options }: PublishFlags) => {
      const output = createOutput(json === true);
      using interrupted = onInterrupt(output.note, "stopping");
      const result = await publish(store, source, { ...options, signal: interrupted.signal });
      output.result(result);
      output.print(describe(result));
    });
}

function describe({ alias, version, previous, server }: PublishResult): string {
  const before = previous === undefined || previous === version ? "" : ` (before: ${previous.slice(0, 12)})`;
  return `${alias ?? "no alias"} → ${version}${before}${server === undefined ? "" : `, served at ${server}`}`;
}
