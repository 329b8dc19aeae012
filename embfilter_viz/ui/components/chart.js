// A Plotly figure that a slider can drive: redrawn in place with Plotly.react, so that zoom, camera and
// selection stay, with the theme's own colours and three downloads under it.
export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".chart");
  const s = (root.state ??= build(root));
  s.data = data;
  s.plot.style.minWidth = data.min_width ? `${data.min_width}px` : "";
  s.select = (ids) => setStateValue("selected", ids);
  s.want = () => setTriggerValue("csv", `${Date.now()}`);
  if (data.csv && data.csv.ticket !== s.saved) {
    s.saved = data.csv.ticket;
    save(new Blob(["\ufeff", data.csv.text], { type: "text/csv" }), `${data.name}.csv`);
  }
  clearTimeout(s.later);
  if (data.traces === s.drawn?.traces && data.layout === s.drawn?.layout) root.dataset.stamp = data.stamp ?? "";
  else if (overtaken() && performance.now() - s.since < LIVE) s.later = setTimeout(() => draw(s), LIVE);
  else draw(s);
  return () => { clearTimeout(s.look); clearTimeout(s.later); s.observer.disconnect(); s.theme.disconnect(); if (window.Plotly) window.Plotly.purge(s.plot); root.state = undefined; };
}

// While a handle is dragged a newer window is on its way more often than not (strip.js counts the moves).
// Then this figure will not be looked at, and drawing it would keep the next one waiting; but of a long
// drag a figure is shown now and then.
const LIVE = 200;
const overtaken = () => { const moves = window.embfilterMoves; return moves && moves.heard < moves.count; };

function build(root) {
  const s = { root, drawn: null, busy: false, listening: false, since: -LIVE };
  s.plot = document.createElement("div"); s.plot.className = "plot";
  s.wait = document.createElement("div"); s.wait.className = "wait"; s.wait.textContent = "Drawing…";
  const bar = document.createElement("div"); bar.className = "bar";
  for (const kind of ["SVG", "PNG", "CSV"]) {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = kind;
    button.title = kind === "CSV" ? "Download the data behind this figure" : `Download this figure as ${kind}`;
    button.className = `save-${kind.toLowerCase()}`;
    button.onclick = () => (kind === "CSV" ? s.want() : picture(s, kind.toLowerCase()));
    bar.append(button);
  }
  root.replaceChildren(s.plot, s.wait, bar);
  // A page being laid out may hide the figure for a moment; Plotly refuses to measure it then, and
  // the observer calls again once it shows. It also calls when drawing made the figure high.
  s.observer = new ResizeObserver(() => {
    const width = s.plot.clientWidth;
    if (!s.drawn || !width || width === s.width) return;
    s.width = width;
    window.Plotly?.Plots.resize(s.plot)?.catch(() => {});
  });
  s.observer.observe(root);
  // Streamlit changes its style variables on an ancestor when the reader changes the theme.
  // So does React all the time, elsewhere: look once, when it has settled.
  const look = () => { if (s.drawn && colours(s.root).text !== s.text) draw(s); };
  s.theme = new MutationObserver(() => { clearTimeout(s.look); s.look = setTimeout(look, 100); });
  s.theme.observe(document.documentElement, { attributes: true, subtree: true, attributeFilter: ["class", "style"] });
  return s;
}

function colours(root) {
  const style = getComputedStyle(root);
  const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return { text: read("--st-text-color", "#222"), grid: read("--st-border-color", "#8883"),
    back: read("--st-background-color", "#fff"), font: read("--st-font", "sans-serif") };
}

// Arrays of numbers come in base64; Plotly would decode them at every redrawing, and compute anew.
const NUMBERS = { f4: Float32Array, f8: Float64Array, i1: Int8Array, i2: Int16Array, i4: Int32Array,
  u1: Uint8Array, u2: Uint16Array, u4: Uint32Array };

function decoded(value) {
  if (!value || typeof value !== "object") return value;
  if (value.bdata && value.dtype in NUMBERS && !value.shape)
    return new NUMBERS[value.dtype](Uint8Array.from(atob(value.bdata), (c) => c.charCodeAt(0)).buffer);
  for (const name in value) value[name] = decoded(value[name]);
  return value;
}

function themed(s, given) {
  const c = colours(s.root);
  s.text = c.text;
  const layout = { ...given, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
    font: { ...given.font, color: c.text, family: c.font },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: c.grid, activecolor: c.text },
    hoverlabel: { ...given.hoverlabel, bgcolor: c.back, bordercolor: c.grid, font: { color: c.text } } };
  for (const name of Object.keys(layout)) if (/^[xy]axis\d*$/.test(name)) {
    layout[name] = { gridcolor: c.grid, zerolinecolor: c.grid, linecolor: c.grid, ...layout[name] };
  }
  return layout;
}

const CONFIG = { displaylogo: false, responsive: false, displayModeBar: "hover", doubleClick: "reset+autosize",
  modeBarButtonsToRemove: ["toImage", "autoScale2d", "zoomIn2d", "zoomOut2d"] };

// Only the newest figure is drawn: one that arrives while another is being drawn replaces any that waits.
async function draw(s) {
  if (s.busy) { s.again = true; return; }
  s.busy = true;
  try {
    const Plotly = await plotly(s.data.plotly);
    do {
      s.again = false;
      const data = s.data;
      // The same arrays as before tell Plotly that there is nothing to compute anew.
      if (data.traces !== s.drawn?.traces) {
        s.traces = decoded(JSON.parse(data.traces));
        await withTexts(s.traces);
      }
      s.drawn = data;
      s.since = performance.now();
      s.width = s.plot.clientWidth;
      await Plotly.react(s.plot, s.traces, themed(s, JSON.parse(data.layout)), CONFIG);
      s.wait.remove();
      s.root.dataset.drawn = `${1 + Number(s.root.dataset.drawn || 0)}`;
      s.root.dataset.stamp = s.drawn.stamp ?? "";
      if (!s.listening && s.data.selectable) listen(s);
    } while (s.again);
  } catch (error) {
    s.wait.textContent = `This figure could not be drawn: ${error.message}`;
    s.root.append(s.wait);
  } finally { s.busy = false; }
}

// Traces that name a set of texts (texts.js) get those of their rows; without them, the rows' numbers.
async function withTexts(traces) {
  for (const trace of traces) {
    const name = trace.meta?.texts;
    if (!name) continue;
    const texts = window.embfilterTexts?.get(name) ?? (await textsCome(name));
    const given = trace.customdata;
    const rows = given.bdata
      ? new Int32Array(Uint8Array.from(atob(given.bdata), (c) => c.charCodeAt(0)).buffer) : given;
    trace.text = Array.from(rows, (row) => texts?.[row] ?? `row ${row}`);
  }
}

function textsCome(name) {
  return new Promise((resolve) => {
    const look = () => {
      const texts = window.embfilterTexts?.get(name);
      if (texts || performance.now() > end) { document.removeEventListener("embfilter-texts", look); resolve(texts); }
    };
    const end = performance.now() + 2000;
    document.addEventListener("embfilter-texts", look);
    setTimeout(look, 2010);
  });
}

function listen(s) {
  s.listening = true;
  const ids = (event) => event.points.map((p) => p.customdata?.[0] ?? p.customdata ?? p.pointIndex);
  s.plot.on("plotly_click", (event) => event && s.select(ids(event).slice(0, 1)));
  s.plot.on("plotly_selected", (event) => event && event.points.length && s.select(ids(event)));
  s.plot.on("plotly_deselect", () => s.select([]));
}

async function picture(s, format) {
  if (!window.Plotly || !s.drawn) return;
  const given = JSON.parse(s.drawn.layout);
  const width = Math.max(640, s.plot.clientWidth), height = s.plot.clientHeight || 480;
  // A figure for a paper stands on white, whatever theme the reader looks at it in.
  const layout = { ...given, width, height, paper_bgcolor: "#fff", plot_bgcolor: "#fff",
    font: { ...given.font, color: "#1f2328", family: "Helvetica, Arial, sans-serif" } };
  for (const name of Object.keys(layout)) if (/^[xy]axis\d*$/.test(name)) layout[name] = { gridcolor: "#e3e5e8", zerolinecolor: "#e3e5e8", ...layout[name] };
  const url = await window.Plotly.toImage({ data: JSON.parse(s.drawn.traces), layout }, { format, width, height, scale: format === "png" ? 2 : 1 });
  save(await (await fetch(url)).blob(), `${s.data.name}.${format}`);
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
