// Words and figures light one another up: a word in braces (prose.py) names traces of a figure, which stay while
// the others fade; a trace under the pointer marks its word. And where a page asks for it, its heading takes the
// focus, so that whoever uses the keyboard goes on from there.
export default function ({ data }) {
  if (!window.embfilterSee) { window.embfilterSee = { asked: null }; listen(); }
  const see = window.embfilterSee;
  if (data.focus && see.asked !== null && see.asked !== data.focus) toHeading(20);
  see.asked = data.focus ?? see.asked;
}

function toHeading(tries) {
  const heading = document.querySelector(".step-heading");
  if (heading) { heading.focus({ preventScroll: true }); heading.scrollIntoView({ block: "nearest" }); }
  else if (tries) setTimeout(() => toHeading(tries - 1), 50);
}

const wordAt = (event) => event.target.closest?.(".see");
const plotOf = (word) => document.querySelector(`.st-key-${word.dataset.figure} .plot`);

function listen() {
  for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, (event) => {
    const word = wordAt(event);
    if (word) fade(plotOf(word), new Set(word.dataset.see.split(",").map(Number)));
    const plot = event.target.closest?.(".chart .plot");
    if (plot?.on && !plot.sees) watch(plot);
  });
  for (const kind of ["pointerout", "focusout"]) document.addEventListener(kind, (event) => {
    const word = wordAt(event);
    if (word) fade(plotOf(word), null);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const term of document.querySelectorAll("details.term[open]")) term.open = false;
  });
}

function fade(plot, kept) {
  if (!plot?.data?.length || !window.Plotly) return;
  window.Plotly.restyle(plot, { opacity: plot.data.map((_, i) => (!kept || kept.has(i) ? 1 : 0.12)) });
}

function watch(plot) {
  plot.sees = true;
  const key = [...plot.closest("[class*=st-key-]").classList].find((name) => name.startsWith("st-key-")).slice(7);
  const words = () => [...document.querySelectorAll(`.see[data-figure="${key}"]`)];
  plot.on("plotly_hover", ({ points }) => {
    for (const word of words())
      word.classList.toggle("lit", points.some((p) => word.dataset.see.split(",").includes(`${p.curveNumber}`)));
  });
  plot.on("plotly_unhover", () => { for (const word of words()) word.classList.remove("lit"); });
}
