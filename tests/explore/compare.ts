/**
 * Runs one piece of code as it is and transformed, and tells everything that can be seen of both: result or error, log,
 * final state.
 */
import { inspect } from "node:util";
import { runInThisContext } from "node:vm";
import { installBranches, tableOf } from "../../src/threads/explore/instrument/branches.ts";
import { transform } from "../../src/threads/explore/instrument/transform.ts";

/** What code under comparison can use; made anew for each run. */
export interface World {
  /** Notes the value and returns it. */
  readonly log: (value: unknown) => unknown;
  readonly [name: string]: unknown;
}

export interface Seen {
  readonly outcome: string;
  readonly log: readonly string[];
  readonly state: string;
}

export type Mode = "strict" | "sloppy";

/** `body` is the body of an async function that has the world's names as parameters. */
export async function run(
  body: string,
  mode: Mode,
  transformed: "native" | "transformed" | "branches",
  make: (log: World["log"]) => Omit<World, "log">,
): Promise<Seen> {
  const log: string[] = [];
  const world: World = {
    ...make((value) => {
      log.push(show(value));
      return value;
    }),
    log: (value) => {
      log.push(show(value));
      return value;
    },
  };
  const source =
    `(async function ({ ${Object.keys(world).join(", ")} }) {` +
    `${mode === "strict" ? " return await (async () => { 'use strict';" : ""} ${body}\n` +
    `${mode === "strict" ? "})();" : ""} })`;
  const branches = transformed === "branches";
  const code = transformed === "native" ? source : transform(source, "body.js", "commonjs", { branches });
  const found = tableOf(code);
  if (found !== null) installBranches("body.js", found.count, found.table);
  let outcome: string;
  try {
    const compiled = runInThisContext(code, { filename: "body.js" }) as (given: World) => Promise<unknown>;
    outcome = show(await compiled(world));
  } catch (error) {
    outcome =
      error instanceof Error ? `throws ${error.name}: ${withoutSource(error.message)}` : `throws ${show(error)}`;
  }
  const { log: _log, ...state } = world;
  return { outcome, log, state: show(state) };
}

/** V8 quotes the source in some messages, and the source is what differs. */
function withoutSource(message: string): string {
  return message
    .replace(
      /^[^]* (?=is not (?:a function|iterable|a constructor|a function or its return value is not iterable)$)/,
      "… ",
    )
    .replace(/^.* (?=as it is (?:null|undefined))/, "… ");
}

function show(value: unknown): string {
  return inspect(value, { depth: 6, breakLength: Infinity, getters: false });
}
