/** `loadModel`: a store's version, or a folder, as a model in this program. */
import { Model, type ModelOptions } from "../../work/model/index.ts";
import { openSource } from "./source.ts";

/**
 * `path`: a store (its champion, or the version that the options name), or a folder in the Hugging Face layout.
 * @throws as `openSource` and `Model.open`
 */
export async function loadModel(path: string, options: ModelOptions = {}): Promise<Model> {
  const source = await openSource(path, options.version);
  return await Model.open(source, options);
}
