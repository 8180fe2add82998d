/**
 * Chat templates, rendered by npm `@huggingface/jinja` under bounds. A template comes from a stranger: every step of
 * the interpreter is counted and every value measured, so that the same template is refused at the same place on every
 * machine. What one step can do by itself (a filter over a long text) is bounded by the thread that it runs on
 * (chat-renderer.ts). Nothing here reads a clock.
 */
import { createRequire } from "node:module";

/** The part of the library that is used; its own declarations name modules that TypeScript does not find. */
interface Token {
  readonly value: string;
}
interface Environment {
  set(name: string, value: unknown): unknown;
}
interface Interpreter {
  run(program: unknown): unknown;
  evaluate(node: unknown, environment: unknown): unknown;
}
interface Jinja {
  readonly Environment: new () => Environment;
  readonly Interpreter: new (environment: Environment) => Interpreter;
  parse(tokens: readonly Token[]): unknown;
  tokenize(template: string, options?: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean }): Token[];
}
const jinja = createRequire(import.meta.url)("@huggingface/jinja") as Jinja;

export interface ChatLimits {
  /** Steps of the interpreter: nodes of the template, each as often as it is evaluated. */
  readonly steps: number;
  /** Nodes within nodes that are evaluated at a time: what a macro that calls itself goes up to. */
  readonly depth: number;
  /** Code units of a text, and of any text on the way to it; elements of a list. */
  readonly length: number;
}

export interface RenderTask {
  readonly template: string;
  /** JSON values. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** YYYY-MM-DD, for templates that write the day's date. */
  readonly date: string | undefined;
  /** Characters that are put where `{% generation %}` blocks begin and end. */
  readonly marks: readonly [begin: string, end: string] | undefined;
}

/** `refused`: the template says that the messages are wrong; `bound`: a limit; `failed`: the template is wrong. */
export type Rendered =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "refused" | "bound" | "failed"; readonly message: string };

class Refused extends Error {}
class Bound extends Error {}

class BoundedInterpreter extends jinja.Interpreter {
  #steps = 0;
  #depth = 0;
  readonly #limits: ChatLimits;

  constructor(environment: Environment, limits: ChatLimits) {
    super(environment);
    this.#limits = limits;
  }

  override evaluate(node: unknown, environment: unknown): unknown {
    if (++this.#steps > this.#limits.steps) throw new Bound(`it takes more than ${this.#limits.steps} steps`);
    // Counted, since where the engine's own stack ends is another place on each machine.
    if (++this.#depth > this.#limits.depth) throw new Bound(`it is nested more than ${this.#limits.depth} deep`);
    const result = super.evaluate(node, environment);
    this.#depth--;
    const { value } = result as { value?: unknown };
    if ((typeof value === "string" || Array.isArray(value)) && value.length > this.#limits.length)
      throw new Bound(`it makes a text or a list longer than ${this.#limits.length}`);
    return result;
  }
}

export function renderTemplate({ template, variables, date, marks }: RenderTask, limits: ChatLimits): Rendered {
  try {
    const environment = new jinja.Environment();
    const globals: Readonly<Record<string, unknown>> = {
      true: true,
      True: true,
      false: false,
      False: false,
      none: null,
      None: null,
      raise_exception: (message: unknown) => {
        throw new Refused(String(message));
      },
      range: (start: number, stop?: number, step?: number) => range(limits.length, start, stop, step),
      strftime_now: (format: string) => formatDate(format, date),
    };
    for (const [name, value] of Object.entries({ ...globals, ...variables })) environment.set(name, value);
    const program = jinja.parse(marked(template, marks));
    const { value } = new BoundedInterpreter(environment, limits).run(program) as { value?: unknown };
    if (typeof value !== "string") return { kind: "failed", message: "it makes no text" };
    return { kind: "text", text: value };
  } catch (error) {
    const message = (error instanceof Error ? error.message : String(error)).slice(0, 500);
    if (error instanceof Refused) return { kind: "refused", message };
    // What is written too deep ends in a RangeError, as does a text that is too long for any engine.
    if (error instanceof Bound || error instanceof RangeError) return { kind: "bound", message };
    return { kind: "failed", message };
  }
}

const BEGIN = "lockstep_answer_begins";
const END = "lockstep_answer_ends";

/** The template's tokens, in which the tags of `{% generation %}` write the marks. White space is cut as ever. */
function marked(template: string, marks: RenderTask["marks"]): Token[] {
  const options = { lstrip_blocks: true, trim_blocks: true };
  if (marks === undefined) return jinja.tokenize(template, options);
  const renamed = template.replace(
    /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g,
    (_, open: string, end: string | undefined, close: string) =>
      `{%${open} ${end === undefined ? BEGIN : END} ${close}%}`,
  );
  const tokens = jinja.tokenize(renamed, options);
  return tokens.flatMap((token, i) => {
    const [before, after] = [tokens[i - 1], tokens[i + 1]];
    const isTag = (one: Token | undefined): boolean => one?.value === BEGIN || one?.value === END;
    if (isTag(token)) return jinja.tokenize(`{{ ${JSON.stringify(marks[token.value === BEGIN ? 0 : 1])} }}`);
    // The braces around it.
    return isTag(before) || isTag(after) ? [] : [token];
  });
}

function range(limit: number, first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  if (!(Math.abs(step) > 0)) throw new Error("range() takes a step that is not zero");
  if (Math.abs((stop - start) / step) > limit) throw new Bound(`range() makes a list longer than ${limit}`);
  const list: number[] = [];
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) list.push(i);
  return list;
}

const MONTHS = "January February March April May June July August September October November December".split(" ");
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

/** Python's strftime of a date at midnight, in English. */
function formatDate(format: string, date: string | undefined): string {
  if (date === undefined)
    throw new Refused("it writes today's date, which would make its text another each day; give a date");
  const [year = 0, month = 0, day = 0] = date.split("-").map(Number);
  const two = (value: number): string => String(value).padStart(2, "0");
  const [name, weekday] = [MONTHS[month - 1] ?? "", DAYS[new Date(`${date}T00:00:00Z`).getUTCDay()] ?? ""];
  const directives: Readonly<Record<string, string>> = {
    "%": "%",
    A: weekday,
    B: name,
    H: "00",
    M: "00",
    S: "00",
    Y: String(year).padStart(4, "0"),
    a: weekday.slice(0, 3),
    b: name.slice(0, 3),
    d: two(day),
    m: two(month),
    y: two(year % 100),
  };
  return format.replace(/%(.?)/gsu, (whole, letter: string) => {
    const text = Object.hasOwn(directives, letter) ? directives[letter] : undefined;
    if (text === undefined) throw new Error(`strftime_now has no ${JSON.stringify(whole)}`);
    return text;
  });
}
