/**
 * The chat template of a tokenizer that has none: each message is a headline with its role and then its words; an
 * answer ends with the token that ends a text, which is a part of it.
 *
 *   ### User:
 *   What is it?
 *
 *   ### Assistant:
 *   It is a card.</s>
 */
import { openTokenizer } from "./load.ts";
import type { Tokenizer } from "./types.ts";

export const DEFAULT_CHAT_TEMPLATE = `{%- set end = eos_token if eos_token else (sep_token if sep_token else "") %}
{{- bos_token if bos_token else "" }}
{%- for message in messages %}
    {{- "### " ~ (message.role | capitalize) ~ ":\\n" }}
    {%- if message.role == "assistant" %}
        {%- generation %}
        {{- message.content ~ end }}
        {%- endgeneration %}
    {%- else %}
        {{- message.content }}
    {%- endif %}
    {{- "\\n\\n" }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- "### Assistant:\\n" }}
{%- endif %}`;

/** The tokenizer, with the template above in its files where they have none. */
export function withChatTemplate(tokenizer: Tokenizer): Tokenizer {
  const { files, maxLength } = tokenizer;
  const config = JSON.parse(files["tokenizer_config.json"]) as { readonly chat_template?: unknown };
  if ((config.chat_template ?? undefined) !== undefined) return tokenizer;
  return openTokenizer(
    {
      tokenizerJson: files["tokenizer.json"],
      tokenizerConfig: { ...config, chat_template: DEFAULT_CHAT_TEMPLATE },
      specialTokensMap: JSON.parse(files["special_tokens_map.json"]) as object,
    },
    { maxLength },
  );
}
