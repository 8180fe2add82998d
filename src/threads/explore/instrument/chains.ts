/**
 * Elements within optional chains, for the transform: a chain with one is taken apart at each `?.`, which no call can
 * be written around.
 *
 *   a?.b[i]             __lockstep_value(__lockstep_absent(a)?void 0:__lockstep_read(__lockstep_it().b,(i)))
 *   a?.b?.[i].c         __lockstep_value(__lockstep_absent(a)?void 0:__lockstep_value(__lockstep_absent(
 *                       __lockstep_it().b)?void 0:__lockstep_read(__lockstep_it(),(i)).c))
 *   o.m?.(x)[i]         __lockstep_value(__lockstep_absent(__lockstep_bound(o,(…)=>….m))?void 0:
 *                       __lockstep_read(__lockstep_it()(x),(i)))
 *
 * `absent` keeps what it was given, and `it` gives that: nothing comes between the two. `value` gives what it is given:
 * a line that began with a parenthesis would go on with the one before. Nothing moves into a function
 * but names and keys of methods that are called if they are there, so `await` and `yield` may stand anywhere else. What
 * cannot be taken apart so is refused: a chain with an element that is called, tagged or deleted as a whole
 * (`(a?.b[i].c)()`), and `super.m?.()[i]`.
 */
import type { AnyNode, CallExpression, ChainExpression, MemberExpression } from "acorn";
import type MagicString from "magic-string";
import { LockstepError } from "../../../base/index.ts";
import { baseOf, firstFrom, isWordAt, mayBeElement, placeOf, suspends, type Parsed } from "./syntax.ts";

type Link = MemberExpression | CallExpression;

/**
 * Rewrites a chain if one of its elements has to be seen. `reference`: it is called, tagged or deleted as a whole.
 * `kept`: nodes that have to stay as they are. @throws INPUT_INVALID
 */
export function rewriteChain(
  output: MagicString,
  { expression }: ChainExpression,
  parsed: Parsed,
  reference: boolean,
  kept: (node: AnyNode) => boolean,
): void {
  const spine = spineOf(expression);
  const links = spine.flatMap((node, at) => (node.optional ? [at] : []));
  const isCalled = (at: number): boolean => spine[at + 1]?.type === "CallExpression";
  const elements = spine.flatMap((node, at) =>
    at >= links[0]! && node.type === "MemberExpression" && mayBeElement(node) && !isCalled(at) && !kept(node)
      ? [at]
      : [],
  );
  if (elements.length === 0) return;
  const { source } = parsed;
  if (reference) refuse(parsed, expression, "an element within an optional chain that is called or deleted as a whole");
  const opened = (link: number): string =>
    `__lockstep_value(__lockstep_absent(${needsThis(spine, link) ? "__lockstep_bound(" : ""}`;
  output.appendLeft(expression.start, (isWordAt(source, expression.start - 1) ? " " : "") + opened(links[0]!));
  links.forEach((at, number) => {
    const node = spine[at]!;
    const next = links[number + 1];
    if (node.type === "CallExpression" && node.callee.type === "ChainExpression")
      refuse(parsed, node, "an element of what is returned by a method that is called if it is there");
    const called = needsThis(spine, at);
    if (called) bind(output, spine[at - 1] as MemberExpression, parsed);
    const reads = elements.filter((element) => element >= at && (next === undefined || element < next)).length;
    const dot = firstFrom(parsed.questionDots, baseOf(node).end);
    output.update(
      dot,
      dot + 2,
      `${called ? ")" : ""})?void 0:${next === undefined ? "" : opened(next)}` +
        `${"__lockstep_read(".repeat(reads)}__lockstep_it()${next === at + 1 && needsThis(spine, next) ? METHOD : ""}` +
        (node.type === "MemberExpression" && !node.computed ? "." : ""),
    );
  });
  for (const at of elements) {
    const node = spine[at] as MemberExpression;
    const open = firstFrom(parsed.opening, node.object.end);
    output.update(open, open + 1, ",(");
    output.update(node.end - 1, node.end, "))");
  }
  output.prependLeft(expression.end, ")".repeat(links.length));
}

/** From what the chain begins with to its end. */
function spineOf(expression: AnyNode): Link[] {
  const spine: Link[] = [];
  for (let at = expression; at.type === "MemberExpression" || at.type === "CallExpression"; at = baseOf(at))
    spine.unshift(at);
  return spine;
}

/** Whether the link is a call, if it is there, of a method: then what it is called on has to be kept. */
function needsThis(spine: readonly Link[], link: number): boolean {
  return spine[link]!.type === "CallExpression" && spine[link - 1]?.type === "MemberExpression";
}

const METHOD = ",(__lockstep_o)=>__lockstep_o";

/** Makes `o.m` the two arguments of `__lockstep_bound`. */
function bind(output: MagicString, method: MemberExpression, parsed: Parsed): void {
  if (method.object.type === "Super" || (method.computed && suspends(method.property)))
    refuse(parsed, method, "an element of what is returned by a method that is called if it is there");
  if (method.optional) return; // where its own link is written
  const before = method.computed ? parsed.opening : parsed.dots;
  output.appendLeft(firstFrom(before, method.object.end), METHOD);
}

function refuse(parsed: Parsed, { start }: AnyNode, what: string): never {
  throw new LockstepError(
    "INPUT_INVALID",
    `${placeOf(parsed, start)}: ${what} cannot be watched: write it in two statements, the element in one of its own`,
  );
}
