/**
 * The page: follows the server's status by its event stream and shows one of three views of it. Everything that comes
 * from the server is put in as text (textContent), never as markup.
 */
import { drawCurve } from "./draw.js";

/** What the page asks, and where. Of a version that has no answers to it, it says where those are. */
const TASK = { route: "/v1/classify", body: (text) => ({ text }) };

const find = (id) => document.getElementById(id);
const views = ["training", "serving", "failed"];
const points = [];
let view;
let version;
/** Where the version that is shown is asked. */
let route = TASK.route;
/** The version that the curve's training made. */
let trained;

/* ---- what the server is doing ---- */

const RENDER = { training: renderTraining, serving: renderServing, failed: renderFailed };
const STATE_WORDS = { training: "Training", serving: "Ready", failed: "Stopped" };

function render(status) {
  if (status.state !== view) {
    view = status.state;
    for (const name of views) find(name).hidden = name !== view;
    document.title = `${STATE_WORDS[view]} · Lockstep`;
    if (view === "serving" && document.activeElement === document.body) find("question").focus();
  }
  setState(view, STATE_WORDS[view]);
  RENDER[view](status);
  renderCurve(status);
}

/** The curve stays when its training is done, for as long as the version that came of it is served. */
function renderCurve({ state, history, model }) {
  if (state === "training") trained = undefined;
  if (state === "serving") {
    if (history) points.splice(0, points.length, ...history);
    if (points.length > 0) trained ??= model.version;
  }
  find("loss-card").hidden = points.length === 0 || (state === "serving" && model.version !== trained);
  find("loss-caption").textContent = state === "serving" ? "Loss while this version was trained" : "Loss";
  if (!find("loss-card").hidden) drawCurve(find("curve"), points);
}

function setState(state, words) {
  const element = find("state");
  element.dataset.state = state;
  if (element.textContent !== words) element.textContent = words;
}

function renderTraining(status) {
  if (status.history) points.splice(0, points.length, ...status.history);
  const last = points.at(-1);
  if (status.loss !== null && (last === undefined || last.phase !== status.phase || last.step < status.step)) {
    points.push({ phase: status.phase, step: status.step, loss: status.loss });
  }
  const percent = Math.round(Math.min(1, Math.max(0, status.fraction)) * 100);
  const left = status.seconds_left === null ? "–" : duration(status.seconds_left);
  find("progress-fill").style.width = `${percent}%`;
  find("progress").setAttribute("aria-valuenow", String(percent));
  find("progress").setAttribute(
    "aria-valuetext",
    `${percent} percent, ${status.phase}${status.seconds_left === null ? "" : `, ${left} left`}`,
  );
  find("threads").textContent = status.threads === 1 ? "one thread" : `${status.threads} threads`;
  find("step").textContent = status.steps === 0 ? "–" : `${count(status.step)} / ${count(status.steps)}`;
  find("loss").textContent = status.loss === null ? "–" : status.loss.toFixed(3);
  find("accuracy").textContent = status.accuracy === null ? "–" : share(status.accuracy);
  find("speed").textContent = status.tokens_per_second === null ? "–" : count(Math.round(status.tokens_per_second));
  find("left").textContent = left;
  renderPhases(status);
}

function renderPhases({ phases, phase }) {
  const at = phases.indexOf(phase);
  find("phases").replaceChildren(
    ...phases.map((name, i) => {
      const item = make("li", i < at ? "done" : "", name);
      if (i === at) item.setAttribute("aria-current", "step");
      return item;
    }),
  );
}

const SPLIT_WORDS = { test: "Test", validation: "Validation" };

function baselineWords({ split }, baseline) {
  if (!baseline) return "";
  const where = baseline.split === split ? "" : ` on the ${baseline.split} split`;
  return `; a linear baseline reaches ${share(baseline.value)}${where}`;
}

function renderServing({ model, accuracy, baseline, examples }) {
  const size = model.parameters === null ? "A model" : `A model of ${count(model.parameters)} parameters`;
  const routes = model.routes ?? [TASK.route];
  const isAsked = routes.includes(TASK.route);
  const facts = [
    isAsked
      ? `${size} sorts it into ${model.labels ?? "its"} intents.`
      : `${size}, asked over HTTP at ${routes.join(", ")}.`,
  ];
  find("serving-title").textContent = isAsked ? "Ask a question" : "Ready to be asked";
  find("ask").hidden = !isAsked;
  if (accuracy)
    facts.push(
      `${SPLIT_WORDS[accuracy.split]} accuracy ${share(accuracy.value)} (95 % interval ${share(accuracy.low)} to ` +
        `${share(accuracy.high)})${baselineWords(accuracy, baseline)}.`,
    );
  find("facts").textContent = facts.join(" ");
  if (version === model.version) return;
  version = model.version;
  find("question").placeholder = examples[0] ?? "";
  find("offered").hidden = examples.length === 0;
  find("examples").replaceChildren(
    ...examples.map((example) => {
      const button = make("button", "", example);
      button.type = "button";
      button.addEventListener("click", () => {
        find("question").value = example;
        ask(example);
      });
      return button;
    }),
  );
  route = isAsked ? TASK.route : routes[0];
  if (!isAsked) find("answer").hidden = true;
  showCurl(examples[0] ?? "Where is my card?");
}

function renderFailed({ code, message }) {
  find("failure").textContent = `${message} (${code})`;
}

/* ---- asking ---- */

let asking;

async function ask(text) {
  asking?.abort();
  const mine = (asking = new AbortController());
  find("problem").textContent = "";
  find("question").removeAttribute("aria-invalid");
  if (text.trim() === "") return complain("Type a question first.");
  find("send").setAttribute("aria-disabled", "true");
  try {
    const response = await fetch(TASK.route, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(TASK.body(text)),
      signal: mine.signal,
    });
    const body = await response.json();
    if (!response.ok)
      return complain(body.error.retryable ? `${body.error.message}. Try again in a moment.` : body.error.message);
    showAnswer(text, body.answers[0]);
  } catch (error) {
    if (mine.signal.aborted) return; // A newer question has taken its place.
    complain(
      error instanceof TypeError
        ? "The server does not answer. Is it still running?"
        : `The answer could not be shown: ${error.message}`,
    );
  } finally {
    if (asking === mine) find("send").removeAttribute("aria-disabled");
  }
}

function complain(message) {
  find("problem").textContent = message;
  find("question").setAttribute("aria-invalid", "true");
  find("question").focus();
}

function showAnswer(text, answer) {
  const best = answer.top[0];
  find("asked").textContent = text;
  find("answer-label").textContent = readable(best.label);
  find("abstained").hidden = !answer.abstained;
  find("bars").replaceChildren(
    ...answer.top.map(({ label, probability }) => {
      const item = make("li");
      const track = make("div", "track");
      const fill = make("div");
      fill.style.width = `${probability * 100}%`;
      track.setAttribute("aria-hidden", "true");
      track.append(fill);
      item.append(make("span", "name", readable(label)), make("span", "share", share(probability)), track);
      return item;
    }),
  );
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
  find("announce").textContent =
    `${answer.abstained ? "Not sure. Best guess: " : ""}${readable(best.label)}, ${share(best.probability)}`;
  showCurl(text);
}

function showCurl(text) {
  const body = JSON.stringify(TASK.body(text)).replaceAll("'", "'\\''");
  find("curl").textContent =
    `curl ${location.origin}${route} \\\n  -H 'content-type: application/json' \\\n  -d '${body}'`;
  find("copied").textContent = "";
}

/* ---- words ---- */

function make(name, className = "", text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

const count = (n) => n.toLocaleString("en");
const share = (p) => `${(p * 100).toFixed(1)} %`;
const short = (id) => (id.length > 20 ? `${id.slice(0, 16)}…` : id);
/** card_arrival → Card arrival: names of intents as people write them. */
const readable = (label) =>
  /^[\w?]+$/.test(label) ? label.replaceAll("_", " ").replace(/^./, (c) => c.toUpperCase()) : label;

function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
}

/* ---- start ---- */

find("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask(find("question").value);
});
find("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(find("curl").textContent);
    find("copied").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(find("curl"));
    find("copied").textContent = "Selected: copy it with Ctrl+C";
  }
});
new ResizeObserver(() => {
  if (!find("loss-card").hidden) drawCurve(find("curve"), points);
}).observe(find("curve"));

const RETRY_MS = 3000;

function follow() {
  const events = new EventSource("/v1/events");
  events.addEventListener("status", (event) => render(JSON.parse(event.data)));
  events.addEventListener("open", refresh);
  events.addEventListener("error", () => {
    setState("lost", "Connection lost, trying again");
    // After a refusal (too many streams, closing) the browser gives up by itself.
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, RETRY_MS);
  });
}

/** The loss so far comes with the status, not with each event; after an interruption it fills the gap. */
async function refresh() {
  try {
    render(await (await fetch("/v1/status")).json());
  } catch (error) {
    console.warn("status could not be read; the event stream goes on", error);
  }
}

follow();
