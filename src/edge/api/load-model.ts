/** `loadModel`: a store's version, or a folder, as a model in this program. */
import { parseOptions } from "../../base/index.ts";
import { Model, modelSchema, type ModelOptions } from "../../work/model/index.ts";
import { requirePath } from "./options.ts";
import { openSource } from "./source.ts";

/**
 * `path`: a store (its champion, or the version that the options name), or a folder in the Hugging Face layout.
 * @throws as `openSource` and `Model.open`
 */
export async function loadModel(path: string, options: ModelOptions = {}): Promise<Model> {
  requirePath(path, "the store or folder that loadModel takes");
  const { version } = parseOptions(modelSchema, options, "the options of loadModel");
  const source = await openSource(path, version);
  return await Model.open(source, options);
}
