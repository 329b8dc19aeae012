// A Plotly figure that a slider can drive: redrawn in place with Plotly.react, so that zoom, camera and
// selection stay, with the theme's own colours and three downloads under it.
export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".chart");
  const s = (root.state ??= build(root));
  s.data = data;
  s.plot.style.minWidth = data.min_width ? `${data.min_width}px` : "";
  named(s, data);
  walkable(s, data);
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

// For whoever does not see it a figure has a name, and words of what it shows (figures/described.py).
let figures = 0;

function named(s, data) {
  s.words.id ||= `figure-words-${++figures}`;
  if (s.words.textContent !== data.words) s.words.textContent = data.words;
  const said = { role: data.cursor ? "application" : "figure", "aria-describedby": s.words.id,
    "aria-label": data.cursor ? `${data.label}. The arrow keys choose another cell${data.enter ? ", Enter uses it" : ""}.` : data.label };
  for (const name in said) if (s.plot.getAttribute(name) !== said[name]) s.plot.setAttribute(name, said[name]);
}

// Which figures have followed the window is said once, when the hand rests; never while it moves.
const QUIET = 1200;

function tells(s) {
  const t = (window.embfilterTold ??= { names: new Set() });
  if (!t.place?.isConnected) {
    t.place = document.createElement("div");
    t.place.className = "unseen figures-told"; t.place.setAttribute("role", "status");
    document.body.append(t.place);
  }
  t.names.add(s.data.label);
  const tell = () => {
    if (overtaken()) { t.clock = setTimeout(tell, QUIET); return; }
    t.place.textContent = `Drawn anew: ${[...t.names].join("; ")}.`;
    t.names.clear();
  };
  clearTimeout(t.clock);
  t.clock = setTimeout(tell, QUIET);
}

// While a handle is dragged a newer window is on its way more often than not (strip.js counts the moves).
// Then this figure will not be looked at, and drawing it would keep the next one waiting; but of a long
// drag a figure is shown now and then.
const LIVE = 200;
const overtaken = () => { const moves = window.embfilterWindow; return moves && moves.heard < moves.count; };

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
  s.words = document.createElement("div"); s.words.className = "unseen";
  root.replaceChildren(s.plot, s.wait, bar, s.words);
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
    modebar: { ...given.modebar, bgcolor: "rgba(0,0,0,0)", color: c.grid, activecolor: c.text },
    hoverlabel: { ...given.hoverlabel, bgcolor: c.back, bordercolor: c.grid, font: { color: c.text } } };
  // Under a finger the page scrolls; to zoom, pan or select, the reader presses a button of the toolbar.
  if (FINGER.matches) layout.dragmode = false;
  // What a box or a lasso took is kept by row: left on the map, it would take other points as they move.
  if (s.data.boxes) Object.assign(layout, { selections: [], selectionrevision: `${performance.now()}` });
  for (const name of Object.keys(layout)) if (/^[xy]axis\d*$/.test(name)) {
    layout[name] = { gridcolor: c.grid, zerolinecolor: c.grid, linecolor: c.grid, ...layout[name] };
  }
  if (s.data.enter) layout.shapes = framed(s, layout.shapes);
  return layout;
}

// Box and lasso stand where something comes of them.
const UNBOXED = { ...CONFIG, modeBarButtonsToRemove: [...CONFIG.modeBarButtonsToRemove, "select2d", "lasso2d"] };

const FINGER = window.matchMedia("(hover: none) and (pointer: coarse)");

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
      await Plotly.react(s.plot, s.traces, themed(s, JSON.parse(data.layout)), data.boxes ? CONFIG : UNBOXED);
      s.wait.remove();
      if (s.cursor && !s.listening) toCursor(s);
      if (s.root.dataset.drawn) tells(s);
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
  s.plot.on("plotly_click", (event) => {
    if (!event) return;
    const cell = event.points[0]?.pointNumber;
    if (s.data.cursor && Array.isArray(cell)) s.cursor = cell;  // arrows go on from here before the server has answered
    s.select(ids(event).slice(0, 1));
  });
  s.plot.on("plotly_selected", (event) => event && event.points.length && s.select(ids(event)));
  s.plot.on("plotly_deselect", () => s.select([]));
}

// The cells of a heat map by keys: an arrow chooses the next cell, as a click on it does; or arrows walk over
// the cells, a frame and words say where, and Enter chooses. Cells without a number are stepped over.
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function walkable(s, data) {
  if (!data.cursor) return;
  if (`${data.cursor}` !== `${s.told}`) s.cursor = s.told = data.cursor;
  if (s.plot.onkeydown) return;
  s.plot.tabIndex = 0;
  s.plot.onkeydown = (event) => {
    const step = STEPS[event.key], map = mapOf(s), uses = s.data.enter && ["Enter", " "].includes(event.key);
    if (!map || !(step || uses)) return;
    event.preventDefault();
    if (uses) { s.select([map.customdata[s.cursor[0]][s.cursor[1]][0]]); return; }
    const up = s.plot._fullLayout.yaxis.range, down = up[0] > up[1] ? 1 : -1;  // rows may begin at the bottom
    const goes = ([row, column]) => [row + down * step[0], column + step[1]];
    let to = goes(s.cursor);
    while (map.z[to[0]] && to[1] in map.z[to[0]] && !Number.isFinite(map.z[to[0]][to[1]])) to = goes(to);
    if (Number.isFinite(map.z[to[0]]?.[to[1]])) s.cursor = to;
    if (s.data.enter) walks(s);
    else s.select([s.cursor]);
  };
  s.plot.onblur = s.plot.onfocus = () => { if (s.data.enter) walks(s); };
}

const mapOf = (s) => s.plot._fullData?.find((trace) => trace.type === "heatmap");

function walks(s) {
  const map = mapOf(s);
  if (!map) return;
  window.Plotly.relayout(s.plot, { shapes: framed(s, JSON.parse(s.drawn.layout).shapes) });
  if (document.activeElement !== s.plot) return;
  toCursor(s);
  if (!s.cell) { s.cell = document.createElement("div"); s.cell.className = "unseen"; s.cell.setAttribute("role", "status"); s.root.append(s.cell); }
  s.cell.textContent = `Window ${map.text[s.cursor[0]][s.cursor[1]].replace(/<[^>]*>/g, ", ")}`;
}

// The frame of the cell that keys have come to, while they are the figure's.
function framed(s, shapes = []) {
  const map = mapOf(s);
  if (!s.data.enter || !map || document.activeElement !== s.plot) return shapes;
  const edge = (at, i) => (i in at && i - 1 in at ? (at[i] + at[i - 1]) / 2 : i ? 1.5 * at[i - 1] - at[i - 2] / 2 : 1.5 * at[0] - at[1] / 2);
  const [row, column] = s.cursor, [x0, x1] = [0, 1].map((i) => edge(map.x, column + i)), [y0, y1] = [0, 1].map((i) => edge(map.y, row + i));
  const frame = (color, width) => ({ type: "rect", x0, x1, y0, y1, line: { color, width } });
  return [...shapes, frame("#ffffff", 6), frame("#111417", 3)];
}

// Where the map is wider than the page: its chosen cell is in sight when it is drawn first.
function toCursor(s) {
  const axis = s.plot._fullLayout?.xaxis, column = s.cursor[1];
  if (axis) s.root.scrollLeft = axis._offset + axis.d2p(mapOf(s)?.x?.[column] ?? column) - s.root.clientWidth / 2;
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
  const lines = broken(s.data.source, Math.floor(width / 6.4));
  const foot = lines.length ? 14 * lines.length + 10 : 0;
  const made = await (await fetch(url)).blob();
  const whole = format === "svg" ? await footedSvg(made, lines, width, height, foot) : await footedPng(made, lines, width, height, foot);
  save(whole, `${s.data.name}.${format}`);
}

// Under a saved picture stands what it is of: model, prompt, window, texts, and who made it.
function broken(text, letters) {
  const lines = [];
  for (const word of (text || "").split(" ").filter(Boolean)) {
    const last = lines.length - 1;
    if (last >= 0 && lines[last].length + word.length < letters) lines[last] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
}

const FOOT = { size: 11, colour: "#57606a", family: "Helvetica, Arial, sans-serif" };

async function footedSvg(blob, lines, width, height, foot) {
  const page = new DOMParser().parseFromString(await blob.text(), "image/svg+xml"), svg = page.documentElement;
  const put = (name, attributes, text) => {
    const node = page.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text) node.textContent = text;
    svg.append(node);
  };
  svg.setAttribute("height", height + foot);
  svg.setAttribute("viewBox", `0 0 ${width} ${height + foot}`);
  put("rect", { x: 0, y: height, width, height: foot, fill: "#fff" });
  lines.forEach((line, i) => put("text", { x: 8, y: height + 12 + 14 * i, fill: FOOT.colour, "font-size": FOOT.size, "font-family": FOOT.family }, line));
  return new Blob([new XMLSerializer().serializeToString(page)], { type: "image/svg+xml" });
}

async function footedPng(blob, lines, width, height, foot) {
  const picture = await createImageBitmap(blob), scale = picture.width / width;
  const canvas = document.createElement("canvas");
  canvas.width = picture.width; canvas.height = picture.height + foot * scale;
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff"; pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0);
  pen.fillStyle = FOOT.colour; pen.font = `${FOOT.size * scale}px ${FOOT.family}`;
  lines.forEach((line, i) => pen.fillText(line, 8 * scale, picture.height + (12 + 14 * i) * scale));
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
