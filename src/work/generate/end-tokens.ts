/**
 * The tokens that end an answer, as a folder's files name them. Of `generation_config.json` nothing else is taken:
 * temperatures and the like in it are its maker's advice, and an answer is a function of what was asked.
 */
import { LockstepError, parseStrictJson } from "../../base/index.ts";
import type { VersionFiles, VersionInfo } from "../infer/index.ts";

/** Increasing. @throws MODEL_INVALID where a file names something that is no token */
export function endTokens(files: VersionFiles, { tokenizer, config }: VersionInfo): readonly number[] {
  const named = ["generation_config.json", "config.json"].flatMap((name) => ofFile(files, name, config.vocab_size));
  const { eos } = tokenizer.special;
  return [...new Set([...named, ...(eos < 0 ? [] : [eos])])].sort((a, b) => a - b);
}

function ofFile(files: VersionFiles, name: string, vocabulary: number): number[] {
  const bytes = files.get(name);
  if (bytes === undefined) return [];
  const json = parseStrictJson(new TextDecoder().decode(bytes), {
    what: name,
    code: "MODEL_INVALID",
    largeNumbers: "round",
    details: { file: name },
  });
  const { eos_token_id: said }: { readonly eos_token_id?: unknown } = Object(json) as object;
  const list: readonly unknown[] = Array.isArray(said) ? said : [said ?? []].flat();
  return list.map((id) => {
    if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < vocabulary) return id;
    throw new LockstepError(
      "MODEL_INVALID",
      `${name}: "eos_token_id" has ${JSON.stringify(id)}; the model's tokens are 0 to ${vocabulary - 1}`,
      { field: "eos_token_id" },
    );
  });
}
