/** The members of struct OrtApi in a header of ONNX Runtime, in order: each is a pointer to a function. */

export interface Declared {
  readonly name: string;
  readonly gives: "status" | "void" | "pointer" | "other";
  /** One letter for each parameter, as in c-table.ts. */
  readonly takes: string;
}

export interface Header {
  /** ORT_API_VERSION. */
  readonly version: number;
  readonly functions: readonly Declared[];
}

/** Throws where the struct, its end or one of its members is not understood. */
export function readTable(header: string): Header {
  const version = Number(/#define ORT_API_VERSION (\d+)/.exec(header)?.[1]);
  const from = header.indexOf("struct OrtApi {");
  if (!(version > 0) || from < 0) throw new Error("not an onnxruntime_c_api.h: no ORT_API_VERSION or no struct OrtApi");
  const body = withoutComments(header.slice(from + "struct OrtApi {".length));
  const end = body.indexOf("};");
  const functions = body
    .slice(0, end)
    .split(";")
    .map((member) => member.trim())
    .filter((member) => member !== "")
    .map(declared);
  return { version, functions };
}

function withoutComments(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/\/\/.*/g, "")
    .replace(/^\s*#ifdef __cplusplus[\s\S]*?#endif/gm, "")
    .replace(/^\s*#.*/gm, "");
}

function declared(member: string): Declared {
  const text = member.replace(/\s+/g, " ");
  const released = /^ORT_CLASS_RELEASE2?\((\w+)\)$/.exec(text);
  if (released !== null) return { name: `Release${released[1]}`, gives: "void", takes: "p" };
  const status = /^ORT_API2_STATUS\((\w+)(?:, ?(.*))?\)$/.exec(text);
  if (status !== null) return { name: status[1]!, gives: "status", takes: letters(status[2] ?? "") };
  const typed = /^ORT_API_T\(([^,]+), ?(\w+)(?:, ?(.*))?\)$/.exec(text);
  if (typed !== null) return { name: typed[2]!, gives: resultKind(typed[1]!), takes: letters(typed[3] ?? "") };
  const attributes = / ?\b(?:NO_EXCEPTION|ORT_ALL_ARGS_NONNULL|ORT_MUST_USE_RESULT)\b/g;
  const plain = /^(.*?)\( ?ORT_API_CALL ?\* ?(\w+) ?\) ?\((.*)\)$/.exec(text.replace(attributes, "").trim());
  if (plain === null) throw new Error(`not understood: ${text.slice(0, 200)}`);
  const [, result = "", name = "", parameters = ""] = plain;
  return { name, gives: resultKind(result), takes: letters(parameters) };
}

function resultKind(result: string): Declared["gives"] {
  const type = result.replace(/\b_\w+_\b|\bconst\b/g, "").trim();
  if (type === "void") return "void";
  if (/^(OrtStatus ?\*|OrtStatusPtr)$/.test(type)) return "status";
  return type.endsWith("*") ? "pointer" : "other";
}

/** Commas between parentheses (of annotations, of pointers to functions) part nothing. */
function letters(parameters: string): string {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  for (const character of parameters) {
    if (character === "," && depth === 0) {
      parts.push(part);
      part = "";
      continue;
    }
    if (character === "(") depth++;
    if (character === ")") depth--;
    part += character;
  }
  if (part.trim() !== "" && part.trim() !== "void") parts.push(part);
  return parts.map(letter).join("");
}

function letter(parameter: string): string {
  const type = parameter
    .replace(/\b_\w+_\b(\([^)]*\))?/g, "")
    .replace(/\s+/g, " ")
    .trim();
  if (/^const ORTCHAR_T ?\* ?\w+$/.test(type)) return "f";
  if (/^const char ?\* ?\w+$/.test(type)) return "s";
  if (type.includes("*") || type.includes("[]")) return "p";
  if (/^size_t \w+$/.test(type)) return "z";
  return /^(int|int32_t|uint32_t|Ort\w+|ONNX\w+|(enum )?GraphOptimizationLevel|ExecutionMode) \w+$/.test(type)
    ? "i"
    : "?";
}
