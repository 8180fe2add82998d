/**
 * The settings of a recipe, described once: in the comments of `recipeSchema` and of the objectives' phases, which an
 * editor shows on hover. From there and from the schema's ranges and defaults come docs/recipe.schema.json and
 * docs/settings.md. Run as a program it writes both; a test compares.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { format, resolveConfig } from "prettier";
import ts from "typescript";
import { recipeJsonSchema } from "../src/edge/api/recipe-file.ts";
import { resolveRecipe } from "../src/work/train/index.ts";
import {
  commonSettings,
  OBJECTIVES,
  phaseSchema,
  type ObjectiveName,
  type Start,
} from "../src/work/train/objectives/index.ts";

const root = dirname(import.meta.dirname);
const TRAIN = join(root, "src", "work", "train");
const OBJECTIVE_FILES = join(TRAIN, "objectives");
export const SCHEMA = join(root, "docs", "recipe.schema.json");
export const PAGE = join(root, "docs", "settings.md");

const OBJECTIVE_NAMES = Object.keys(OBJECTIVES) as readonly ObjectiveName[];

type Comments = Map<string, string | undefined>;

/** Every schema that a variable of these files holds, by the variable's name. */
function readSchemas(): Schemas {
  const objectives = readdirSync(OBJECTIVE_FILES).map((file) => join(OBJECTIVE_FILES, file));
  const schemas: Schemas = new Map();
  for (const file of [join(TRAIN, "recipe.ts"), ...objectives]) {
    const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
    for (const statement of source.statements)
      if (ts.isVariableStatement(statement))
        for (const { name, initializer } of statement.declarationList.declarations)
          schemas.set(name.getText(), initializer);
  }
  return schemas;
}

/** By dotted path, in the order of the source. */
function commentsOf(schemas: Schemas, variable: string): Comments {
  const found: Comments = new Map();
  const visit = (node: ts.Node | undefined, path: readonly string[]): void => {
    for (const property of fieldsOf(node, schemas)) {
      const name = [...path, property.name.getText()];
      const doc = ts.getJSDocCommentsAndTags(property).find(ts.isJSDoc);
      found.set(name.join("."), ts.getTextOfJSDocComment(doc?.comment)?.replaceAll(/\s*\n\s*/g, " "));
      if (ts.isPropertyAssignment(property)) visit(property.initializer, name);
    }
  };
  visit(schemas.get(variable), []);
  return found;
}

/** Of each objective's phase; a variable is called as the objective is, with "Phase" after it. */
function phaseComments(schemas: Schemas): ReadonlyMap<ObjectiveName, Comments> {
  return new Map(
    OBJECTIVE_NAMES.map((name) => {
      const variable = `${name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())}Phase`;
      const comments = commentsOf(schemas, variable);
      comments.delete("objective");
      return [name, comments];
    }),
  );
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
  if (name.text === "strictObject") return properties.flatMap((property) => fieldOf(property, schemas));
  if (name.text !== "extend") return fieldsOf(expression, schemas);
  return [
    ...fieldsOf(schemas.get(expression.getText()), schemas),
    ...properties.flatMap((property) => fieldOf(property, schemas)),
  ];
}

/** A field, or those that are spread. */
function fieldOf(property: ts.ObjectLiteralElementLike, schemas: Schemas): readonly Field[] {
  if (isField(property)) return [property];
  const spread = ts.isSpreadAssignment(property) ? schemas.get(property.expression.getText()) : undefined;
  return spread !== undefined && ts.isObjectLiteralExpression(spread) ? spread.properties.filter(isField) : [];
}

function isField(property: ts.ObjectLiteralElementLike): property is Field {
  return ts.isPropertyAssignment(property) || ts.isShorthandPropertyAssignment(property);
}

/** What is used of a JSON schema. */
interface Place {
  description?: string;
  readonly properties?: Readonly<Record<string, Place>>;
  readonly items?: Place;
  readonly anyOf?: readonly Place[];
  readonly oneOf?: readonly Place[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly type?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
}

function placeOf(schema: Place | undefined, path: string): Place | undefined {
  return path.split(".").reduce<Place | undefined>((at, key) => at?.properties?.[key], schema);
}

interface Described {
  readonly schema: Place;
  readonly recipe: Comments;
  readonly phases: ReadonlyMap<ObjectiveName, Comments>;
}

/** The place of an objective's phase. */
function phasePlace(schema: Place, name: ObjectiveName): Place | undefined {
  const phases = placeOf(schema, "recipe.phases")?.items;
  return (phases?.oneOf ?? phases?.anyOf)?.find(({ properties }) => properties?.["objective"]?.const === name);
}

function described(): Described {
  const schema = JSON.parse(recipeJsonSchema()) as Place;
  const schemas = readSchemas();
  const recipe = commentsOf(schemas, "recipeSchema");
  const phases = phaseComments(schemas);
  const describe = (under: Place | undefined, texts: Comments): void => {
    for (const [path, text] of texts) {
      const place = placeOf(under, path);
      if (place !== undefined && text !== undefined) place.description = text;
    }
  };
  describe(placeOf(schema, "recipe"), recipe);
  for (const [name, texts] of phases) describe(phasePlace(schema, name), texts);
  return { schema, recipe, phases };
}

export function schemaText(): string {
  return `${JSON.stringify(described().schema, null, 2)}\n`;
}

/** Settings without a comment. */
export function undescribed(): string[] {
  const { recipe, phases } = described();
  const missing = (texts: Comments) => [...texts].filter(([, text]) => text === undefined).map(([path]) => path);
  return [
    ...missing(recipe),
    ...[...phases].flatMap(([name, texts]) => missing(texts).map((path) => `${name} ${path}`)),
  ];
}

type Row = readonly [setting: string, place: Place, standard: string, text: string | undefined];

function lineOf([setting, place, standard, text]: Row): string {
  return `| \`${setting}\` | ${values(place)} | ${standard} | ${text} |`;
}

function tableOf(rows: readonly Row[]): string {
  return `| setting | values | default | what it is |
| --- | --- | --- | --- |
${rows.map(lineOf).join("\n")}`;
}

/** Rows of all fields under a place but those that hold others. */
function rowsOf(under: Place | undefined, texts: Comments, standard: (path: string) => string): Row[] {
  return [...texts].flatMap(([path, text]) => {
    const place = placeOf(under, path);
    return place === undefined || place.properties !== undefined || place.items !== undefined
      ? []
      : [[path, place, standard(path), text] as const];
  });
}

/** What a setting is by itself, from nothing and with `from`. */
function standards(nothing: unknown, encoder: unknown): (path: string) => string {
  return (path) => {
    const usual = valueAt(nothing, path);
    const other = valueAt(encoder, path);
    return path === "from" ? "" : usual === other ? code(usual) : `${code(usual)}; with \`from\` ${code(other)}`;
  };
}

export async function pageText(): Promise<string> {
  const { schema, recipe, phases } = described();
  const common = new Set(commentsOf(readSchemas(), "commonSettings").keys());
  const ofPhase = (name: ObjectiveName, start: Start) =>
    phaseSchema.parse({ objective: name, ...OBJECTIVES[name].defaults[start] });
  const ofAny = standards(commonSettings.partial().parse({}), commonSettings.partial().parse({}));
  const sections = [...phases].map(([name, texts]) => {
    const standard = standards(ofPhase(name, "nothing"), ofPhase(name, "encoder"));
    const rows = rowsOf(phasePlace(schema, name), texts, standard);
    return `### ${name}\n\n${OBJECTIVES[name].description}\n\n${tableOf(
      rows.filter(([path, , own]) => !common.has(path) || own !== ofAny(path)),
    )}`;
  });
  const ofRecipe = standards(resolveRecipe({}), resolveRecipe({ from: "0".repeat(64) }));
  const any = OBJECTIVE_NAMES[0]!;
  const commonTexts = new Map([...(phases.get(any) ?? [])].filter(([path]) => common.has(path)));
  const page = `# Settings

Everything that decides the weights of a training, with what it may be and what it is when nobody says. Given as
\`--set NAME=VALUE\`, in the \`recipe\` part of a recipe file, or as a field of \`train\`'s first argument.

${tableOf(rowsOf(placeOf(schema, "recipe"), recipe, ofRecipe))}

## Phases

${recipe.get("phases")} A recipe that says nothing about them has the phases \`masked-lm\` and \`classify\`; with
\`from\`, the first of them has no epochs. \`--set phases.1.epochs=3\` changes the second phase; \`pretrain.epochs=3\`
and \`finetune.epochs=3\` are short for the first phase \`masked-lm\` and the first phase \`classify\`. In a recipe
file \`phases\` is a list, each with its \`objective\` and any of its settings. All of them have:

${tableOf(rowsOf(phasePlace(schema, any), commonTexts, ofAny))}

${sections.join("\n\n")}
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
      if (option.properties !== undefined)
        return `\`{ ${Object.entries(option.properties)
          .map(([name, of]) => `"${name}": ${of.type === "string" ? "text" : values(of)}`)
          .join(", ")} }\``;
      if (option.type === "object") return "names";
      const least = option.exclusiveMinimum === undefined ? (option.minimum ?? "") : `over ${option.exclusiveMinimum}`;
      return `${least} to ${option.maximum ?? "…"}`.trim();
    })
    .join(" or ");
}

if (import.meta.main) {
  writeFileSync(SCHEMA, schemaText());
  writeFileSync(PAGE, await pageText());
}
