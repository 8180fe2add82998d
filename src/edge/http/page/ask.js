/** Asking: the form of the task that is chosen, the question on its way, and the answer. */
import { make, TASKS } from "./tasks.js";

const find = (id) => document.getElementById(id);
const short = (id) => (id.length > 20 ? `${id.slice(0, 16)}…` : id);

/** The version that is asked, what is offered to try, and the route of the task that is chosen. */
let model;
let examples = [];
let route;
let asking;

/** Another version answers from now on, or other questions are offered. */
export function serve(next, offered) {
  model = next;
  examples = offered;
  const routes = known();
  if (!routes.includes(route)) find("answer").hidden = true;
  choose(routes.includes(route) ? route : routes[0]);
}

/** Routes that the version answers and the page can ask at. */
function known() {
  return (model.routes ?? ["/v1/classify"]).filter((one) => Object.hasOwn(TASKS, one));
}

/** What is asked of the version that is shown; undefined: nothing that this page knows. */
export const current = () => TASKS[route];

export function focusQuestion() {
  find("question")?.focus();
}

function choose(next) {
  const isNew = next !== route;
  route = next;
  find("ask").hidden = route === undefined;
  if (route === undefined) return showCurl((model.routes ?? [])[0] ?? "/v1/classify", { text: "…" });
  const task = TASKS[route];
  find("serving-title").textContent = task.title;
  const routes = known();
  find("tasks").hidden = routes.length < 2;
  find("tasks").replaceChildren(
    ...routes.map((one) => {
      const button = make("button", "", TASKS[one].name);
      button.type = "button";
      button.setAttribute("aria-pressed", String(one === route));
      button.addEventListener("click", () => {
        asking?.abort();
        find("answer").hidden = true;
        choose(one);
        [...find("tasks").children].find((other) => other.getAttribute("aria-pressed") === "true").focus();
      });
      return button;
    }),
  );
  if (isNew) complain("");
  renderFields(task, isNew);
  renderOffers(task);
}

/** What was typed stays while the boxes do. */
function renderFields(task, isNew) {
  const fields = task.fields(model);
  const typed = isNew ? {} : values();
  const boxes = fields.map(({ id, label, lines, optional, placeholder = "", starts }) => {
    const title = make("label", "", label);
    title.htmlFor = id;
    const box = make(lines ? "textarea" : "input");
    box.id = id;
    box.name = id;
    if (lines) box.rows = lines;
    else [box.type, box.enterKeyHint, box.maxLength] = ["text", "send", 10_000];
    box.autocomplete = "off";
    box.required = !optional;
    box.placeholder = placeholder;
    box.value = typed[id] ?? "";
    box.setAttribute("aria-describedby", "problem");
    if (starts) box.dataset.starts = starts;
    return { title, box };
  });
  const isOneLine = boxes.length === 1 && !fields[0].lines;
  find("fields").replaceChildren(...boxes.flatMap(({ title, box }) => (isOneLine ? [title] : [title, box])));
  const row = find("row");
  row.replaceChildren(...(isOneLine ? [boxes[0].box] : []), find("send"));
}

function renderOffers(task) {
  const offers = task.offer(examples, model);
  const [first] = offers;
  if (first && !find("question").placeholder) find("question").placeholder = first.values.question;
  find("offered").hidden = offers.length === 0;
  find("examples").replaceChildren(
    ...offers.map(({ words, values: offered }) => {
      const button = make("button", "", words);
      button.type = "button";
      button.addEventListener("click", () => {
        for (const box of boxes()) box.value = offered[box.id] ?? "";
        void ask();
      });
      return button;
    }),
  );
  showCurl(route, task.body(first?.values ?? { question: "Where is my card?", second: "…", documents: "…" }));
}

const boxes = () => find("ask").querySelectorAll("input, textarea");
const values = () => Object.fromEntries([...boxes()].map((box) => [box.id, box.value]));

export async function ask() {
  asking?.abort();
  const mine = (asking = new AbortController());
  const [task, at, asked] = [TASKS[route], route, values()];
  complain("");
  for (const box of boxes()) {
    if (box.required && box.value.trim() === "")
      return complain(box.id === "question" ? "Type a question first." : "Fill this in too.", box);
    const { starts } = box.dataset;
    if (starts && !box.value.includes(starts)) return complain(`Write ${starts} where a word is missing.`, box);
  }
  find("send").setAttribute("aria-disabled", "true");
  try {
    const response = await fetch(at, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(task.body(asked)),
      signal: mine.signal,
    });
    const body = await response.json();
    if (!response.ok)
      return complain(
        body.error.retryable ? `${body.error.message}. Try again in a moment.` : body.error.message,
        find("question"),
      );
    showAnswer(task, asked, body.answers[0]);
    showCurl(at, task.body(asked));
  } catch (error) {
    if (mine.signal.aborted) return; // A newer question has taken its place.
    complain(
      error instanceof TypeError
        ? "The server does not answer. Is it still running?"
        : `The answer could not be shown: ${error.message}`,
      find("question"),
    );
  } finally {
    if (asking === mine) find("send").removeAttribute("aria-disabled");
  }
}

/** Says what is wrong beside the boxes, and at which; nothing takes it away. */
function complain(message, box) {
  find("problem").textContent = message;
  for (const one of boxes()) one.removeAttribute("aria-invalid");
  box?.setAttribute("aria-invalid", "true");
  box?.focus();
}

function showAnswer(task, asked, answer) {
  const { headline, said, abstained = false, below, copy } = task.show(answer, asked, model);
  find("asked").textContent = [asked.question, asked.second].filter(Boolean).join("” and “");
  find("answer-label").replaceChildren(headline);
  find("abstained").hidden = !abstained;
  find("truncated").hidden = !answer.truncated;
  find("detail").replaceChildren(...below, ...(copy === undefined ? [] : copyButton(copy)));
  find("version").textContent = short(answer.version);
  find("version").title = answer.version;
  const receipt = find("receipt");
  receipt.textContent = answer.receipt === null ? "none kept" : short(answer.receipt);
  if (answer.receipt === null) receipt.removeAttribute("href");
  else receipt.href = `/v1/receipts/${encodeURIComponent(answer.receipt)}`;
  receipt.title = answer.receipt ?? "";
  find("latency").textContent =
    `${answer.latency_ms < 10 ? answer.latency_ms.toFixed(1) : Math.round(answer.latency_ms)} ms`;
  find("answer").hidden = false;
  find("announce").textContent = said ?? find("answer-label").textContent;
}

function showCurl(at, body) {
  const quoted = JSON.stringify(body).replaceAll("'", "'\\''");
  find("curl").textContent =
    `curl ${location.origin}${at} \\\n  -H 'content-type: application/json' \\\n  -d '${quoted}'`;
  find("copied").textContent = "";
}

/* ---- copying ---- */

/** `fallback`: what is selected where the browser lets no page copy. */
async function copyText(content, fallback, said) {
  try {
    await navigator.clipboard.writeText(content);
    said.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(fallback);
    said.textContent = "Selected: copy it with Ctrl+C";
  }
}

function copyButton(content) {
  const button = make("button", "quiet", "Copy all");
  button.type = "button";
  const said = make("span", "copied");
  said.setAttribute("role", "status");
  button.addEventListener("click", () => {
    const shown = find("detail").querySelector("pre");
    shown.textContent = content;
    void copyText(content, shown, said);
  });
  return [button, said];
}

find("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  void ask();
});
find("copy").addEventListener("click", () => void copyText(find("curl").textContent, find("curl"), find("copied")));
