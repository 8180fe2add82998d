/** Draws the loss curve as a small SVG: what was measured as a thin line, its running mean as a strong one. */
const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { left: 36, right: 8, top: 8, bottom: 24 };
const MOST_POINTS = 400;

function shape(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Steps start again in each phase; here they run on. */
function unroll(points) {
  let offset = 0;
  let last;
  const starts = [];
  const unrolled = points.map((point) => {
    if (last === undefined || point.phase !== last.phase || point.step < last.step) {
      offset += last?.step ?? 0;
      starts.push({ x: offset, phase: point.phase });
    }
    last = point;
    return { x: offset + point.step, y: point.loss, phase: point.phase };
  });
  return { unrolled, starts };
}

function thin(points) {
  const every = Math.ceil(points.length / MOST_POINTS);
  return points.filter((_, i) => i % every === 0 || i === points.length - 1);
}

/**
 * A running mean (weights that fall by a tenth, corrected at the start) that starts again with each phase, whose losses
 * are of another kind.
 */
function smooth(points) {
  let [sum, weight, phase] = [0, 0, undefined];
  return points.map((point) => {
    if (point.phase !== phase) [sum, weight, phase] = [0, 0, point.phase];
    sum = sum * 0.9 + point.y;
    weight = weight * 0.9 + 1;
    return { ...point, y: sum / weight };
  });
}

/** Three to six round numbers from 0 up to `top`. */
function levels(top) {
  const power = 10 ** Math.floor(Math.log10(top));
  const step = [0.2, 0.5, 1, 2].map((n) => n * power).find((n) => top / n < 6);
  return Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => Number((i * step).toPrecision(3)));
}

/** `points`: {phase, step, loss} in order. Replaces what `svg` shows, at its present size. */
export function drawCurve(svg, points) {
  svg.replaceChildren();
  const finite = points.filter((point) => Number.isFinite(point.loss));
  if (finite.length < 2) return;
  const { width, height } = svg.getBoundingClientRect();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const { unrolled, starts } = unroll(finite);
  const shown = thin(unrolled);

  const top = Math.max(...shown.map((point) => point.y)) * 1.05 || 1;
  const [from, to] = [shown[0].x, Math.max(shown.at(-1).x, shown[0].x + 1)];
  const x = (value) => MARGIN.left + ((value - from) / (to - from)) * (width - MARGIN.left - MARGIN.right);
  const y = (value) => MARGIN.top + (1 - value / top) * (height - MARGIN.top - MARGIN.bottom);

  for (const level of levels(top)) {
    svg.append(
      shape("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(level), y2: y(level) }),
      shape("text", { x: MARGIN.left - 8, y: y(level) + 4, "text-anchor": "end" }, String(level)),
    );
  }
  for (const start of starts) {
    const at = Math.max(x(start.x), MARGIN.left);
    if (at > MARGIN.left)
      svg.append(shape("line", { class: "phase", x1: at, x2: at, y1: MARGIN.top, y2: height - MARGIN.bottom }));
    const label = shape("text", { x: at + 4, y: height - 6 }, start.phase);
    svg.append(label);
    if (at + 4 + label.getComputedTextLength() > width)
      label.setAttribute("x", String(width - label.getComputedTextLength()));
  }
  const path = (line) =>
    line
      .map(
        (point, i) =>
          `${i > 0 && point.phase === line[i - 1].phase ? "L" : "M"}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`,
      )
      .join("");
  svg.append(
    shape("path", { class: "raw", d: path(shown) }),
    shape("path", { class: "smooth", d: path(smooth(shown)) }),
  );
  const latest = finite.at(-1);
  svg.setAttribute(
    "aria-label",
    `Loss curve: ${finite[0].loss.toFixed(2)} at the start, ${latest.loss.toFixed(2)} now, in phase ${latest.phase}`,
  );
}
