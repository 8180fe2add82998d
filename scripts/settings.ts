/**
 * The settings of a recipe, described once: in the comments of `recipeSchema`, which an editor shows on hover. From
 * there and from the schema's ranges and defaults come docs/recipe.schema.json and docs/settings.md. Run as a program
 * it writes both; a test compares.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { format, resolveConfig } from "prettier";
import ts from "typescript";
import { recipeJsonSchema } from "../src/edge/api/recipe-file.ts";
import { resolveRecipe } from "../src/work/train/index.ts";

const root = dirname(import.meta.dirname);
const SOURCE = join(root, "src", "work", "train", "recipe.ts");
export const SCHEMA = join(root, "docs", "recipe.schema.json");
export const PAGE = join(root, "docs", "settings.md");

/** By dotted path, in the order of the source. */
function comments(): Map<string, string | undefined> {
  const source = ts.createSourceFile(SOURCE, readFileSync(SOURCE, "utf8"), ts.ScriptTarget.Latest, true);
  const schemas: Schemas = new Map();
  for (const statement of source.statements)
    if (ts.isVariableStatement(statement))
      for (const { name, initializer } of statement.declarationList.declarations)
        schemas.set(name.getText(), initializer);
  const found = new Map<string, string | undefined>();
  const visit = (node: ts.Node | undefined, path: readonly string[]): void => {
    for (const property of fieldsOf(node, schemas)) {
      const name = [...path, property.name.getText()];
      const doc = ts.getJSDocCommentsAndTags(property).find(ts.isJSDoc);
      found.set(name.join("."), ts.getTextOfJSDocComment(doc?.comment)?.replaceAll(/\s*\n\s*/g, " "));
      if (ts.isPropertyAssignment(property)) visit(property.initializer, name);
    }
  };
  visit(schemas.get("recipeSchema"), []);
  return found;
}

type Field = ts.PropertyAssignment | ts.ShorthandPropertyAssignment;
type Schemas = Map<string, ts.Expression | undefined>;

/** Of `z.strictObject({…})…` and `other.extend({…})`, which has the fields of the other first. */
function fieldsOf(node: ts.Node | undefined, schemas: Schemas): readonly Field[] {
  if (node === undefined || !ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return [];
  const { name, expression } = node.expression;
  const own = node.arguments[0];
  const properties: readonly ts.ObjectLiteralElementLike[] =
    own !== undefined && ts.isObjectLiteralExpression(own) ? own.properties : [];
  if (name.text === "strictObject") return properties.filter(isField);
  if (name.text !== "extend") return fieldsOf(expression, schemas);
  return [...fieldsOf(schemas.get(expression.getText()), schemas), ...properties.filter(isField)];
}

function isField(property: ts.ObjectLiteralElementLike): property is Field {
  return ts.isPropertyAssignment(property) || ts.isShorthandPropertyAssignment(property);
}

/** What is used of a JSON schema. */
interface Place {
  description?: string;
  readonly properties?: Readonly<Record<string, Place>>;
  readonly anyOf?: readonly Place[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly type?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
}

function placeOf(schema: Place, path: string): Place | undefined {
  return path.split(".").reduce<Place | undefined>((at, key) => at?.properties?.[key], schema.properties?.["recipe"]);
}

function described(): { schema: Place; texts: Map<string, string | undefined> } {
  const schema = JSON.parse(recipeJsonSchema()) as Place;
  const texts = comments();
  for (const [path, text] of texts) {
    const place = placeOf(schema, path);
    if (place !== undefined && text !== undefined) place.description = text;
  }
  return { schema, texts };
}

export function schemaText(): string {
  return `${JSON.stringify(described().schema, null, 2)}\n`;
}

/** Settings without a comment. */
export function undescribed(): string[] {
  return [...described().texts].filter(([, text]) => text === undefined).map(([path]) => path);
}

export async function pageText(): Promise<string> {
  const { schema, texts } = described();
  const defaults = resolveRecipe({});
  const withEncoder = resolveRecipe({ from: "0".repeat(64) });
  const rows = [...texts].flatMap(([path, text]) => {
    const place = placeOf(schema, path);
    if (place === undefined || place.properties !== undefined) return [];
    const usual = valueAt(defaults, path);
    const other = valueAt(withEncoder, path);
    const standard =
      path === "from" ? "" : usual === other ? code(usual) : `${code(usual)}; with \`from\` ${code(other)}`;
    return [`| \`${path}\` | ${values(place)} | ${standard} | ${text} |`];
  });
  const page = `# Settings

Everything that decides the weights of a training, with what it may be and what it is when nobody says. Given as
\`--set NAME=VALUE\`, in the \`recipe\` part of a recipe file, or as a field of \`train\`'s first argument.

| setting | values | default | what it is |
| --- | --- | --- | --- |
${rows.join("\n")}
`;
  return await format(page, { ...(await resolveConfig(PAGE)), filepath: PAGE });
}

function valueAt(recipe: unknown, path: string): unknown {
  return path.split(".").reduce((at, key) => (at as Record<string, unknown> | undefined)?.[key], recipe);
}

function code(value: unknown): string {
  return value === undefined ? "" : `\`${JSON.stringify(value)}\``;
}

/** In words: "0 to 0.9", "one of …". */
function values(place: Place): string {
  const options = place.anyOf ?? [place];
  return options
    .map((option) => {
      if (option.const !== undefined) return code(option.const);
      if (option.enum !== undefined) return option.enum.map(code).join(", ");
      if (option.type === "null") return "`null`";
      if (option.type === "boolean") return "`true`, `false`";
      if (option.type === "string") return "text";
      const least = option.exclusiveMinimum === undefined ? (option.minimum ?? "") : `over ${option.exclusiveMinimum}`;
      return `${least} to ${option.maximum ?? "…"}`.trim();
    })
    .join(" or ");
}

if (import.meta.main) {
  writeFileSync(SCHEMA, schemaText());
  writeFileSync(PAGE, await pageText());
}
