/**
 * Heads: what is computed from a model's last hidden states, whatever its family.
 *
 * Letters: B rows, T tokens (padded), N = B·T, C hidden_size, H heads, D = C/H, P selected positions, L labels, V
 * vocabulary.
 */

/** What stands for a text: its first token, the mean of its tokens, or its last token. */
export type Pooling = "first" | "mean" | "last";

/** What is computed from the last hidden states, and with it what a program gives. */
export type Head =
  /** `logits` [P, V] at the input `positions` int [P] (places among the N tokens). */
  | { readonly kind: "masked-lm" }
  /** As masked-lm: the logits of the token that comes next. */
  | { readonly kind: "causal-lm" }
  /** `logits` [B, labels]. */
  | { readonly kind: "sequence"; readonly labels: number; readonly pooling: Pooling }
  /** `logits` [N, labels]. */
  | { readonly kind: "token"; readonly labels: number }
  /** `pooled` [B, C]. */
  | { readonly kind: "encoder"; readonly pooling: Pooling };
export type HeadKind = Head["kind"];
