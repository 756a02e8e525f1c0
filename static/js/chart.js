/* The balance chart: a step line drawn at the available width, so that its text never scales. The pointer and the
   arrow keys move along the line and read out its values. */

import { shown } from "./amounts.js";
import { aroundSwap } from "./around_swap.js";

const LETTER = 6.2; // width of a character of a grid line's label, at most
const RIGHT = 10; // room for the last dot
const TOP = 11;
const BOTTOM = 22; // room for the days

const shape = (name, attributes, words = "") => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = words;
  return made;
};

/* The chart's data. Each point is encoded as the difference from the previous one. */
const chartOf = (plot) => {
  const chart = JSON.parse(plot.dataset.chart);
  let [along, high] = [0, 0];
  chart.points = chart.steps.map(([seconds, amount]) => {
    along += seconds;
    high += amount;
    return [along, high];
  });
  return chart;
};

/* The scales of the plot: seconds on the x axis, minor units on the y axis, right of its labels. */
const scale = ({ clientWidth: width, clientHeight: height }, chart) => {
  const left = 9 + LETTER * Math.max(...chart.grid.map(([, words]) => words.length));
  const whole = chart.points.length ? chart.points.at(-1)[0] : 1;
  return {
    width,
    height,
    left,
    x: (seconds) => left + (seconds / (whole || 1)) * (width - left - RIGHT),
    y: (amount) => TOP + ((chart.top - amount) / (chart.top - chart.bottom || 1)) * (height - TOP - BOTTOM),
    seconds: (x) => ((x - left) / (width - left - RIGHT)) * whole,
  };
};

const draw = (plot) => {
  const chart = chartOf(plot);
  if (!plot.clientWidth) return;
  const { width, height, left, x, y } = scale(plot, chart);
  // Crisp lines lie on half pixels.
  const level = (amount, name) =>
    shape("line", {
      x1: left,
      x2: width - RIGHT / 2,
      y1: Math.round(y(amount)) + 0.5,
      y2: Math.round(y(amount)) + 0.5,
      class: name,
    });
  const points = chart.points.length
    ? chart.points
    : [
        [0, 0],
        [1, 0],
      ];
  const now = points.at(-1);
  const [first, middle, last] = chart.labels;
  const day = (along, anchor, words) =>
    shape("text", { x: x(along), y: height - 4, "text-anchor": anchor }, words);
  const cross = ([along, high]) => {
    const [across, down] = [x(along), y(high)];
    return shape("path", { class: "chart-failure", d: `M${across - 3} ${down - 3}l6 6m0 -6l-6 6` });
  };
  // An edited threshold moves its line before it is saved.
  const typed = "threshold" in plot.dataset ? JSON.parse(plot.dataset.threshold) : chart.threshold;
  const inside = (amount) => amount !== null && amount >= chart.bottom && amount <= chart.top;

  const drawing = shape("svg", { width, height, "aria-hidden": "true" });
  drawing.append(
    ...chart.grid.flatMap(([amount, words]) => [
      level(amount, "chart-grid"),
      shape("text", { x: 0, y: y(amount) + 4 }, words),
    ]),
    day(0, "start", first),
    ...(chart.points.length ? [day(now[0] / 2, "middle", middle)] : []),
    day(now[0], "end", last),
    ...(inside(chart.notification) && plot.closest(".wide")
      ? [level(chart.notification, "chart-notification")]
      : []),
    ...(inside(typed) ? [level(typed, "chart-threshold")] : []),
    shape("path", {
      class: "chart-line",
      d: `M${x(points[0][0])} ${y(points[0][1])}${points.map(([along, high]) => `H${x(along)}V${y(high)}`).join("")}`,
    }),
    ...chart.refills.map(([along, high]) =>
      shape("circle", { class: "chart-refill", cx: x(along), cy: y(high), r: 3.5 }),
    ),
    ...chart.failures.map(cross),
    shape("circle", { class: "chart-now", cx: x(now[0]), cy: y(now[1]), r: 3.5 }),
  );
  plot.replaceChildren(drawing);
};

/* A time in the account's time zone, such as "Sun 8 Nov, 03:17". */
const moment = (chart, seconds) => {
  const form = {
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZone: chart.zone,
  };
  const parts = new Intl.DateTimeFormat("en-GB", form).formatToParts((chart.start + seconds) * 1000);
  const part = (type) => parts.find((it) => it.type === type).value;
  return `${part("weekday")} ${part("day")} ${part("month").slice(0, 3)}, ${part("hour")}:${part("minute")}`;
};

const card = () => document.getElementById("balance-chart");

const read = (index) => {
  const plot = card().querySelector(".chart-plot");
  const chart = chartOf(plot);
  const [along, high] = chart.points[index];
  const { height, x, y } = scale(plot, chart);
  const words = `${moment(chart, along)} · ${shown(chart.amounts, high)}`;
  const cursor = card().querySelector(".chart-cursor");
  cursor.value = index;
  cursor.setAttribute("aria-valuetext", words);
  card().querySelector(".chart-reading").textContent = words;
  const svg = plot.querySelector("svg");
  for (const mark of svg.querySelectorAll(".chart-at")) mark.remove();
  svg.append(
    shape("line", { class: "chart-at", x1: x(along), x2: x(along), y1: TOP, y2: height - BOTTOM }),
    shape("circle", { class: "chart-at", cx: x(along), cy: y(high), r: 4 }),
  );
};

const clearReading = () => {
  if (card()?.querySelector(".chart-cursor") === document.activeElement) return;
  for (const mark of card()?.querySelectorAll(".chart-at") ?? []) mark.remove();
  const reading = card()?.querySelector(".chart-reading");
  if (reading) reading.textContent = reading.dataset.rest;
};

/* The index of the last point that is not after the pointer. */
const pointAt = (plot, clientX) => {
  const chart = chartOf(plot);
  if (!chart.points.length) return null;
  const seconds = scale(plot, chart).seconds(clientX - plot.getBoundingClientRect().left);
  return Math.max(
    0,
    chart.points.findLastIndex(([along]) => along <= seconds),
  );
};

document.addEventListener("pointermove", ({ target, clientX }) => {
  const plot = target.closest?.(".chart-plot");
  if (!plot) return clearReading();
  const index = pointAt(plot, clientX);
  if (index !== null) read(index);
});
document.addEventListener("pointerdown", ({ target, clientX }) => {
  const plot = target.closest?.(".chart-plot");
  const index = plot && pointAt(plot, clientX);
  if (index !== null && plot) read(index);
});
const isCursor = ({ target }) => target.matches?.(".chart-cursor");
document.addEventListener("input", (event) => isCursor(event) && read(Number(event.target.value)));
document.addEventListener("focusin", (event) => isCursor(event) && read(Number(event.target.value)));
document.addEventListener("focusout", (event) => isCursor(event) && setTimeout(clearReading));

/* The edited threshold in minor units, or null for none. */
document.addEventListener("threshold-typed", ({ detail }) => {
  const plot = document.querySelector(".chart-plot");
  if (!plot) return;
  plot.dataset.threshold = JSON.stringify(detail);
  draw(plot);
});

const watcher = new ResizeObserver((changes) => {
  for (const { target } of changes) draw(target);
});

const start = () => {
  const plot = document.querySelector(".chart-plot");
  if (!plot) return;
  draw(plot);
  watcher.disconnect();
  watcher.observe(plot);
};

aroundSwap("balance-chart", () => true, start);
// On other pages the chart is swapped in with the part that contains it.
document.addEventListener("htmx:afterSwap", ({ target }) => target.contains?.(card()) && start());
start();
