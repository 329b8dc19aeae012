// The window strip: a thin drawing of the spectrum whose two handles choose what is kept.
// While a handle is held the drawing answers by itself; the server hears of it four times a second, and as
// soon as the handle rests for a moment: what it answers meanwhile keeps the last window waiting.
const HEIGHT = 64, WIDTH = 1000, EVERY = 250, REST = 20, PATIENCE = 2000;
const NS = "http://www.w3.org/2000/svg";

// The moves of this tab, numbered. They outlive the strip they were made on, which a change of page
// takes away; the server says which it heard last, so that an older answer never undoes a newer move
// and a move that got lost is sent again.
const moves = (window.embfilterMoves ??= { count: 0, sent: 0, heard: 0, last: null });

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".strip");
  const first = !root.state;
  if (first) root.state = build(root);
  const s = root.state;
  moves.put = (value) => setStateValue("window", value);
  if (!s.theme) s.theme = followTheme(root);
  const sameModel = s.data && s.data.d === data.d && s.data.profile === data.profile;
  s.data = data;
  if (!sameModel) drawSpectrum(s);
  moves.heard = Math.max(moves.heard, data.heard);
  moves.count = Math.max(moves.count, data.heard);  // a tab that was loaded anew
  const unheard = moves.heard < moves.count && moves.last?.d === data.d;
  if (!unheard) { clearTimeout(moves.again); moves.sent = moves.count; }
  else if (first) setTimeout(send);
  if (!s.held) { ({ l: s.l, r: s.r } = unheard ? moves.last : data); place(s); }
}

function build(root) {
  const s = { root, held: null, last: 0, timer: null };
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  s.parts = ["head", "kept", "tail"].map((name) => {
    const clip = document.createElementNS(NS, "clipPath");
    clip.id = `strip-${name}`;
    const rect = document.createElementNS(NS, "rect");
    rect.setAttribute("y", 0); rect.setAttribute("height", HEIGHT);
    clip.append(rect);
    const area = document.createElementNS(NS, "path");
    const colour = name === "kept" ? "var(--bulk)" : "var(--edge)";
    area.setAttribute("clip-path", `url(#strip-${name})`);
    area.style.fill = colour; area.style.fillOpacity = name === "kept" ? 0.35 : 0.28;
    const line = document.createElementNS(NS, "path");
    line.setAttribute("class", "mark");
    line.setAttribute("clip-path", `url(#strip-${name})`);
    line.style.stroke = colour;
    svg.append(clip, area, line);
    return { rect, area, line };
  });
  s.body = document.createElement("div");
  s.body.className = "body";
  s.grips = ["l", "r"].map((end) => {
    const grip = document.createElement("div");
    grip.className = `grip grip-${end}`;
    grip.tabIndex = 0;
    grip.setAttribute("role", "slider");
    grip.setAttribute("aria-label", end === "l" ? "First kept direction l" : "First dropped direction r");
    return grip;
  });
  s.words = document.createElement("div");
  s.words.className = "words";
  s.head = document.createElement("span"); s.head.className = "drop";
  s.keep = document.createElement("span"); s.keep.className = "keep";
  s.tail = document.createElement("span"); s.tail.className = "drop";
  s.words.append(s.head, s.keep, s.tail);
  root.replaceChildren(svg, s.body, ...s.grips, s.words);
  hold(s, s.grips[0], "l"); hold(s, s.grips[1], "r"); hold(s, s.body, "both");
  return s;
}

// The strip stays in sight over the page, so it needs the page's own background, whatever the theme.
function followTheme(root) {
  const frame = root.closest(".st-key-window_strip"), app = document.querySelector(".stApp");
  if (!frame || !app) return true;
  const paint = () => { frame.style.backgroundColor = getComputedStyle(app).backgroundColor; };
  paint();
  new MutationObserver(paint).observe(app, { attributes: true, attributeFilter: ["class", "style"] });
  return true;
}

function hold(s, element, end) {
  element.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    if (end !== "both") element.focus({ preventScroll: true });
    s.held = { end, x: event.clientX, l: s.l, r: s.r };
  });
  element.addEventListener("pointermove", (event) => {
    if (!s.held) return;
    const moved = Math.round(((event.clientX - s.held.x) / s.root.clientWidth) * s.data.d);
    move(s, s.held, end, moved);
    tell(s);
  });
  const drop = () => { if (s.held) { s.held = null; tell(s, true); } };
  element.addEventListener("pointerup", drop);
  element.addEventListener("pointercancel", drop);
  if (end !== "both") element.addEventListener("keydown", (event) => {
    const d = s.data.d, page = Math.max(1, Math.round(d / 20));
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -page, PageUp: page, Home: -d, End: d };
    if (!(event.key in steps)) return;
    event.preventDefault();
    move(s, { l: s.l, r: s.r }, end, steps[event.key]);
    tell(s);
  });
}

function move(s, from, end, by) {
  const d = s.data.d, before = `${s.l}:${s.r}`;
  if (end === "l") s.l = clamp(from.l + by, 0, s.r - 1);
  else if (end === "r") s.r = clamp(from.r + by, s.l + 1, d);
  else { const k = from.r - from.l; s.l = clamp(from.l + by, 0, d - k); s.r = s.l + k; }
  if (before === `${s.l}:${s.r}`) return;
  moves.last = { l: s.l, r: s.r, d };
  moves.count += 1;
  place(s);
}

// Leading and trailing edge, so that the last position always arrives.
function tell(s, now = false) {
  clearTimeout(s.timer);
  if (now || performance.now() - s.last >= EVERY) {
    s.last = performance.now();
    if (moves.sent !== moves.count) send();
  } else s.timer = setTimeout(() => tell(s, true), REST);
}

function send(patience = PATIENCE) {
  moves.sent = moves.count;
  moves.put(`${moves.last.l}:${moves.last.r}#${moves.count}`);
  clearTimeout(moves.again);
  moves.again = setTimeout(() => send(2 * patience), patience);
}

function drawSpectrum(s) {
  const values = s.data.profile.split(",").map(Number);  // heights in 0..1, left to right
  const points = values.map((v, i) => `${((i + 0.5) / values.length) * WIDTH},${(1 - v) * (HEIGHT - 6) + 4}`);
  const edge = points.join(" L");
  const first = points[0].split(",")[1], last = points[points.length - 1].split(",")[1];
  for (const { area, line } of s.parts) {
    area.setAttribute("d", `M0,${HEIGHT} L0,${first} L${edge} L${WIDTH},${last} L${WIDTH},${HEIGHT} Z`);
    line.setAttribute("d", `M0,${first} L${edge} L${WIDTH},${last}`);
  }
}

function place(s) {
  const { d } = s.data, x = (i) => (i / d) * WIDTH, percent = (i) => `${(i / d) * 100}%`;
  const spans = [[0, s.l], [s.l, s.r], [s.r, d]];
  s.parts.forEach(({ rect }, i) => {
    rect.setAttribute("x", x(spans[i][0])); rect.setAttribute("width", x(spans[i][1]) - x(spans[i][0]));
  });
  s.grips[0].style.left = percent(s.l); s.grips[1].style.left = percent(s.r);
  s.body.style.left = percent(s.l); s.body.style.width = percent(s.r - s.l);
  s.grips.forEach((grip, i) => {
    grip.setAttribute("aria-valuemin", 0); grip.setAttribute("aria-valuemax", d);
    grip.setAttribute("aria-valuenow", i ? s.r : s.l);
    grip.setAttribute("aria-valuetext", i ? `r = ${s.r} of ${d}` : `l = ${s.l} of ${d}`);
  });
  const share = (n) => `${((n / d) * 100).toFixed(n && n / d < 0.0995 ? 1 : 0)} %`;
  s.head.textContent = s.l ? `head dropped ${s.l} (${share(s.l)})` : "head kept";
  s.tail.textContent = s.r < d ? `tail dropped ${d - s.r} (${share(d - s.r)})` : "tail kept";
  const tau = d / (s.r - s.l);
  s.keep.textContent = `kept ${s.l}:${s.r} · ${s.r - s.l} of ${d} directions · τ = ${Number(tau.toFixed(2))}`;
}

const clamp = (v, low, high) => Math.min(high, Math.max(low, v));
