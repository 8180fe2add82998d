/**
 * The page: follows the server's status by its event stream and shows one of three views of it. Everything that comes
 * from the server is put in as text (textContent), never as markup.
 */
import { current, focusQuestion, serve } from "./ask.js";
import { drawCurve } from "./draw.js";
import { count, make, share } from "./tasks.js";

const find = (id) => document.getElementById(id);
const views = ["training", "serving", "failed"];
const points = [];
let view;
let version;
/** The version that the curve's training made. */
let trained;

/* ---- what the server is doing ---- */

const RENDER = { training: renderTraining, serving: renderServing, failed: renderFailed };
const STATE_WORDS = { training: "Training", serving: "Ready", failed: "Stopped" };

function render(status) {
  const isNew = status.state !== view;
  view = status.state;
  if (isNew) {
    for (const name of views) find(name).hidden = name !== view;
    document.title = `${STATE_WORDS[view]} · Lockstep`;
  }
  setState(view, STATE_WORDS[view]);
  RENDER[view](status);
  if (isNew && view === "serving" && document.activeElement === document.body) focusQuestion();
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

/** Of tasks without an accuracy: entity F1, Spearman's ρ and the like. */
function figureWords(figure) {
  if (!figure) return [];
  const { name, value, low, high, split } = figure;
  return [`${SPLIT_WORDS[split]} ${name} ${value.toFixed(3)} (95 % interval ${low.toFixed(3)} to ${high.toFixed(3)}).`];
}

function renderServing({ model, accuracy, baseline, figure, examples }) {
  if (version !== model.version) {
    version = model.version;
    serve(model, examples);
  }
  const size = model.parameters === null ? "A model" : `A model of ${count(model.parameters)} parameters`;
  const task = current();
  const facts = [
    task === undefined
      ? `${size}, asked over HTTP at ${(model.routes ?? []).join(", ")}.`
      : `${size} ${task.facts(model)}.`,
    ...figureWords(figure),
  ];
  if (accuracy)
    facts.push(
      `${SPLIT_WORDS[accuracy.split]} accuracy ${share(accuracy.value)} (95 % interval ${share(accuracy.low)} to ` +
        `${share(accuracy.high)})${baselineWords(accuracy, baseline)}.`,
    );
  find("facts").textContent = facts.join(" ");
}

function renderFailed({ code, message }) {
  find("failure").textContent = `${message} (${code})`;
}

/* ---- words ---- */

function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
}

/* ---- start ---- */

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
