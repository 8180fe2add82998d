/**
 * Code in strings: what transformed code gives to `eval` and `Function` is transformed before it is compiled.
 */
import { refuse, type AccessSink } from "./sink.ts";
import { transform } from "./transform.ts";

const NativeFunction = Function;
const URL_OF_STRINGS = "code in a string";
/** What means something only where the code stands, so that it cannot be read alone. */
const IN_PLACE = /#|\b(?:super|new\s*\.\s*target|await|yield)\b/;

/** What transformed code calls. */
export function stringGlobals(sink: AccessSink): Readonly<Record<string, unknown>> {
  const code = (text: unknown, strict: boolean): unknown => {
    if (typeof text !== "string") return text;
    try {
      return transform(text, URL_OF_STRINGS, "commonjs", { strict });
    } catch (thrown) {
      if (!(thrown instanceof SyntaxError)) throw thrown;
      if (IN_PLACE.test(text))
        refuse(sink, "code in a string that can only be read where it stands cannot be watched: write it in the file");
      return text; // The engine says what is wrong with it.
    }
  };
  return {
    __lockstep_code: code,
    __lockstep_function: (called: unknown) => (called === NativeFunction ? WatchedFunction : called),
  };
}

/** Throws what `Function` would; what it makes differs in its source only. */
function WatchedFunction(...args: readonly unknown[]): unknown {
  const texts = args.map(String);
  const body = texts.pop() ?? "";
  NativeFunction(...texts, body);
  const source = `(function anonymous(${texts.join()}\n) {\n${body}\n})`;
  const made: unknown = (0, eval)(transform(source, URL_OF_STRINGS, "commonjs"));
  return made;
}
