/**
 * Where in the explored code an operation stands: the innermost frame outside of the explorer, and the first outside of
 * the room that it lies in.
 */
import { sourceLine } from "./instrument/hooks.ts";

const OWN = import.meta.url.slice(0, import.meta.url.lastIndexOf("/"));
const FRAME = /at (?:(?:async )?(.*?) \()?(file:\/\/[^)]*?):(\d+):\d+\)?$/;

export function callSite(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const stack = new Error().stack ?? "";
  Error.stackTraceLimit = limit;
  return describeStack(stack);
}

function describeStack(stack: string): string {
  const frames = stack.split("\n").flatMap((line) => {
    const match = FRAME.exec(line.trim());
    if (match === null || match[2]!.startsWith(`${OWN}/`)) return [];
    const url = match[2]!.replace(/\?.*$/, "");
    return [{ name: functionName(match[1] ?? ""), url, line: sourceLine(url, Number(match[3])) }];
  });
  const [inner] = frames;
  if (inner === undefined) return "";
  const folder = inner.url.slice(0, inner.url.lastIndexOf("/"));
  const outer = frames.find(({ url }) => !url.startsWith(`${folder}/`));
  return [inner, ...(outer === undefined ? [] : [outer])]
    .map(({ name, url, line }) => `${url.slice(url.lastIndexOf("/") + 1)}:${line}${name === "" ? "" : ` ${name}`}`)
    .join(" < ");
}

/** What V8 makes up for functions without a name says nothing. */
function functionName(name: string): string {
  const plain = name.replace(/^(?:Object|Module|new)[. ]/, "").replace(/ \[as .*\]$/, "");
  return /^[#\w$]+(?:\.[#\w$]+)?$/.test(plain) ? plain : "";
}
