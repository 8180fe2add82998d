/** `loadGenerator`: a store's version, a folder or a GGUF file, as a language model that writes. */
import { LockstepError } from "../../base/index.ts";
import { TextGenerator, type GeneratorOptions } from "../../work/generate/index.ts";
import { requirePath } from "./options.ts";
import { openSource } from "./source.ts";

export interface LoadGeneratorOptions extends GeneratorOptions {
  /**
   * Of a store: an alias, a version's name, or at least four characters of one. @default the alias "champion", or the
   * only version
   */
  readonly version?: string;
}

/**
 * `path`: a store, a folder in the Hugging Face layout, or a GGUF file, with a causal language model.
 * @throws as `openSource` and `TextGenerator.open`
 */
export async function loadGenerator(path: string, options: LoadGeneratorOptions = {}): Promise<TextGenerator> {
  requirePath(path, "the store, folder or GGUF file that loadGenerator takes");
  const { version, ...rest } = options;
  if (version !== undefined && typeof version !== "string")
    throw new LockstepError("OPTION_INVALID", "the options of loadGenerator are not valid. version: expected a string");
  return await TextGenerator.open(await openSource(path, version), rest);
}
