/* The balance chart: a step line drawn at the width there is, so that its text never scales. */

import { aroundSwap } from "./parts.js";

const LEFT = 34; // room for "$150"
const RIGHT = 10; // room for the last dot
const TOP = 11;
const BOTTOM = 22; // room for the days

const shape = (name, attributes, words = "") => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = words;
  return made;
};

const draw = (plot) => {
  const chart = JSON.parse(plot.dataset.chart);
  const { clientWidth: width, clientHeight: height } = plot;
  if (!width) return;
  const x = (share) => LEFT + share * (width - LEFT - RIGHT);
  const y = (units) => TOP + ((chart.top - units) / (chart.top - chart.bottom || 1)) * (height - TOP - BOTTOM);
  // Crisp lines lie on half pixels.
  const level = (units, name) => shape("line", { x1: LEFT, x2: width - RIGHT / 2, y1: Math.round(y(units)) + 0.5, y2: Math.round(y(units)) + 0.5, class: name });
  // Each is how far along, and how high.
  const points = chart.points.length ? chart.points : [[0, 0], [1, 0]];
  const now = points.at(-1);
  const [first, middle, last] = chart.labels;
  const day = (share, anchor, words) => shape("text", { x: x(share), y: height - 4, "text-anchor": anchor }, words);

  const drawing = shape("svg", { width, height, "aria-hidden": "true" });
  drawing.append(
    ...chart.grid.flatMap(([units, words]) => [level(units, "chart-grid"), shape("text", { x: 0, y: y(units) + 4 }, words)]),
    day(0, "start", first),
    ...(chart.points.length ? [day(0.5, "middle", middle)] : []),
    day(1, "end", last),
    ...(chart.threshold === null ? [] : [level(chart.threshold, "chart-threshold")]),
    shape("path", { class: "chart-line", d: `M${x(points[0][0])} ${y(points[0][1])}` + points.map(([along, high]) => `H${x(along)}V${y(high)}`).join("") }),
    ...chart.refills.map(([along, high]) => shape("circle", { class: "chart-refill", cx: x(along), cy: y(high), r: 3.5 })),
    shape("circle", { class: "chart-now", cx: x(now[0]), cy: y(now[1]), r: 3.5 }),
  );
  plot.replaceChildren(drawing);
};

const watcher = new ResizeObserver((changes) => changes.forEach(({ target }) => draw(target)));

const start = () => {
  const plot = document.querySelector(".chart-plot");
  if (!plot) return;
  draw(plot);
  watcher.disconnect();
  watcher.observe(plot);
};

aroundSwap("balance-chart", () => true, start);
start();
