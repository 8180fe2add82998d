/**
 * What the page asks of a version, by the route where it is asked: the boxes of its form, the body that is sent, what is
 * offered to try, and how an answer is shown. An answer is a headline, in text or nodes, and what stands below it. Text
 * is always put in as text, never as markup.
 */

export function make(name, className = "", text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

export const count = (n) => n.toLocaleString("en");
export const share = (p) => `${(p * 100).toFixed(1)} %`;

/** card_arrival → Card arrival: names of labels as people write them. */
const readable = (label) =>
  /^[\w?]+$/.test(label) ? label.replaceAll("_", " ").replace(/^./, (c) => c.toUpperCase()) : label;

/** Things with a share each, as bars. `rows`: {name, share, words?, note?}, where words stand for the share. */
function bars(rows, label) {
  const list = make("ol", "bars");
  list.setAttribute("aria-label", label);
  list.append(
    ...rows.map(({ name, share: part, words = share(part), note }) => {
      const item = make("li");
      const track = make("div", "track");
      const fill = make("div");
      fill.style.width = `${Math.min(1, Math.max(0, part)) * 100}%`;
      track.setAttribute("aria-hidden", "true");
      track.append(fill);
      const title = make("span", "name", name);
      if (note) title.append(" ", make("span", "given", note));
      item.append(title, make("span", "share", words), track);
      return item;
    }),
  );
  return list;
}

const labelBars = (top, label) =>
  bars(
    top.map((one) => ({ name: readable(one.label), share: one.probability })),
    label,
  );

/** Figures with their names. */
function figures(entries) {
  const list = make("dl", "figures");
  list.append(
    ...entries.map(([name, value]) => {
      const box = make("div");
      box.append(make("dt", "", name), make("dd", "", value));
      return box;
    }),
  );
  return list;
}

/** A text of which some parts are marked. `parts`: {start, end, label?}, in order, in UTF-16 code units. */
function marked(text, parts) {
  const whole = make("p", "marked");
  let at = 0;
  for (const { start, end, label } of parts) {
    const mark = make("mark", "", text.slice(start, end));
    if (label) mark.append(make("span", "kind", label));
    whole.append(text.slice(at, start), mark);
    at = end;
  }
  whole.append(text.slice(at));
  return whole;
}

const question = { id: "question", label: "Your question" };
const text = { id: "question", label: "A text" };
const one = ({ question: value }) => ({ text: value });
const each = (examples) => examples.map((example) => ({ words: example, values: { question: example } }));
const many = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

/** The longest word of a text gives way to the mask. */
function withMask(example, mask) {
  if (example.includes(mask)) return example;
  const words = example.match(/[\p{L}\p{N}]+/gu) ?? [];
  const longest = words.reduce((best, word) => (word.length > best.length ? word : best), "");
  return longest === "" ? `${example} ${mask}` : example.replace(longest, () => mask);
}

/** The text with the likeliest words in place of its masks. */
function filled(value, masks, mask) {
  const parts = [];
  let whole = "";
  value.split(mask).forEach((piece, index, pieces) => {
    whole += piece;
    if (index === pieces.length - 1) return;
    const word = masks[index]?.top[0]?.token.trim() ?? mask;
    parts.push({ start: whole.length, end: whole.length + word.length });
    whole += word;
  });
  return { whole, node: marked(whole, parts) };
}

/** `facts`: what the model does, after "A model of … parameters". `show` has the values asked and the model. */
export const TASKS = {
  "/v1/classify": {
    name: "Sort",
    title: "Ask a question",
    facts: ({ labels }) => `sorts it into ${labels ?? "its"} intents`,
    fields: () => [question],
    body: one,
    offer: each,
    show: ({ top, abstained }) => ({
      headline: readable(top[0].label),
      abstained,
      said: `${abstained ? "Not sure. Best guess: " : ""}${readable(top[0].label)}, ${share(top[0].probability)}`,
      below: [labelBars(top, "Most probable intents")],
    }),
  },
  "/v1/multi-label": {
    name: "Label",
    title: "Label a text",
    facts: ({ labels }) => `gives a text any of ${labels ?? "its"} labels`,
    fields: () => [text],
    body: one,
    offer: each,
    show: ({ labels, top }) => {
      const given = new Set(labels.map(({ label }) => label));
      const words = labels.length === 0 ? "No label" : labels.map(({ label }) => readable(label)).join(", ");
      return {
        headline: words,
        below: [
          bars(
            top.map(({ label, probability }) => ({
              name: readable(label),
              share: probability,
              note: given.has(label) ? "given" : "",
            })),
            "Most probable labels",
          ),
        ],
      };
    },
  },
  "/v1/score": {
    name: "Score",
    title: "Score a text",
    facts: () => "gives a text a number",
    fields: () => [text, { id: "second", label: "A second text, if the model compares two", optional: true }],
    body: ({ question: value, second }) => ({ text: value, ...(second === "" ? {} : { text_pair: second }) }),
    offer: each,
    show: ({ score }) => ({
      headline: score.toFixed(4),
      below:
        score >= 0 && score <= 1 ? [bars([{ name: "Score", share: score, words: score.toFixed(4) }], "Score")] : [],
    }),
  },
  "/v1/rerank": {
    name: "Rank",
    title: "Put documents in order",
    facts: () => "puts documents in the order in which they answer a question",
    fields: () => [
      question,
      { id: "documents", label: "Documents, one a line", lines: 5, placeholder: "One document a line" },
    ],
    body: ({ question: query, documents }) => ({
      query,
      documents: documents.split("\n").filter((line) => line.trim()),
    }),
    offer: ([query, ...documents]) =>
      documents.length < 2 ? [] : [{ words: query, values: { question: query, documents: documents.join("\n") } }],
    show: ({ ranking }, { documents }) => {
      const lines = documents.split("\n").filter((line) => line.trim());
      const [low, high] = [ranking.at(-1).score, ranking[0].score];
      return {
        headline: lines[ranking[0].index],
        below: [
          bars(
            ranking.map(({ index, score }) => ({
              name: lines[index],
              share: low >= 0 && high <= 1 ? score : high === low ? 1 : (score - low) / (high - low),
              words: score.toFixed(4),
            })),
            "Documents, best first",
          ),
        ],
      };
    },
  },
  "/v1/token-classify": {
    name: "Find",
    title: "Find names and other spans",
    facts: () => "marks the spans that it knows",
    fields: () => [{ ...text, lines: 3 }],
    body: one,
    offer: each,
    show: ({ spans }, { question: value }) => ({
      headline: spans.length === 0 ? "Nothing found" : many(spans.length, "span"),
      said: spans.map((span) => `${span.text}, ${span.label}`).join("; ") || "Nothing found",
      below: [
        marked(value, spans),
        bars(
          spans.map((span) => ({ name: span.text, share: span.probability, note: span.label })),
          "Spans",
        ),
      ],
    }),
  },
  "/v1/embed": {
    name: "Vector",
    title: "Make a vector",
    facts: () => "turns a text into a vector",
    fields: () => [text],
    body: one,
    offer: each,
    show: ({ embedding }) => {
      const preview = make(
        "pre",
        "",
        `${embedding
          .slice(0, 12)
          .map((value) => value.toFixed(4))
          .join("  ")} …`,
      );
      return {
        headline: many(embedding.length, "number"),
        below: [preview],
        copy: JSON.stringify(embedding),
      };
    },
  },
  "/v1/similarity": {
    name: "Compare",
    title: "Compare two texts",
    facts: () => "says how alike two texts are",
    fields: () => [
      { id: "question", label: "One text" },
      { id: "second", label: "Another" },
    ],
    body: ({ question: value, second }) => ({ text: value, text_pair: second }),
    offer: (examples) =>
      examples.slice(1).map((example, at) => ({
        words: `${examples[at]} | ${example}`,
        values: { question: examples[at], second: example },
      })),
    show: ({ similarity }) => ({
      headline: similarity.toFixed(4),
      said: `Similarity ${similarity.toFixed(4)}`,
      below: [
        bars([{ name: "Cosine of the two vectors", share: similarity, words: similarity.toFixed(4) }], "Similarity"),
      ],
    }),
  },
  "/v1/fill-mask": {
    name: "Fill in",
    title: "Fill in the blank",
    facts: () => "guesses what stands where a mask is",
    fields: ({ mask_token: mask }) => [
      { id: "question", label: `A text with ${mask ?? "a mask"} where a word is missing`, starts: mask },
    ],
    body: one,
    offer: (examples, { mask_token: mask }) => each(examples.map((example) => withMask(example, mask ?? ""))),
    show: ({ masks }, { question: value }, { mask_token: mask }) => {
      const { whole, node } = filled(value, masks, mask);
      return {
        headline: node,
        said: whole,
        below: masks.map(({ top }, index) =>
          bars(
            top.map(({ token, probability }) => ({ name: token.trim() || JSON.stringify(token), share: probability })),
            masks.length === 1 ? "Most probable words" : `Most probable words of blank ${index + 1}`,
          ),
        ),
      };
    },
  },
  "/v1/perplexity": {
    name: "Likelihood",
    title: "How likely is a text?",
    facts: () => "says how likely it finds a text",
    fields: () => [{ ...text, lines: 4 }],
    body: one,
    offer: each,
    show: ({ perplexity, log_likelihood: total, tokens }) => ({
      headline: `Perplexity ${perplexity < 1000 ? perplexity.toFixed(2) : count(Math.round(perplexity))}`,
      below: [
        figures([
          ["Tokens scored", count(tokens)],
          ["Nats a token", (-total / tokens).toFixed(3)],
          ["Log-likelihood", total.toFixed(2)],
        ]),
      ],
    }),
  },
};
