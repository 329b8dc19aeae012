// One control of the window: a thin drawing of the spectrum with two handles, a field, a slider of τ.
// It answers the hand by itself. While a handle is held the server hears of it four times a second, and as
// soon as it rests for a moment: what it answers meanwhile keeps the last window waiting.
const HEIGHT = 64, WIDTH = 1000, EVERY = 250, REST = 20, PATIENCE = 2000;

// Built by the script, so that nothing can be taken hold of before it answers.
const PART = (name) => `<clipPath id="strip-${name}"><rect height="64"/></clipPath>
  <g clip-path="url(#strip-${name})" class="${name}"><path class="area"/><path class="mark"/></g>`;
const GRIP = (end, name) => `<div class="grip grip-${end}" tabindex="0" role="slider" aria-label="${name} direction ${end}"></div>`;
const CONTROL = `<div class="strip">
  <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">${["strong", "kept", "weak"].map(PART).join("")}<path class="weights"/></svg>
  <div class="body"></div>${GRIP("l", "First kept")}${GRIP("r", "First dropped")}
  <div class="words"><span class="drop"></span><span class="keep"></span><span class="drop"></span></div></div>
  <label class="window-typed">Window: τ or l:r <input type="text" maxlength="100" spellcheck="false" autocomplete="off"></label>
  <label class="window-tau"><span></span><input type="range" min="0"></label>`;

// Of this tab: it outlives the control, which a change of page takes away.
const s = (window.embfilterWindow ??= fresh());

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".window-control"), first = !root.view;
  const v = (s.view = root.view ??= build(root));
  if (!s.write) install();
  s.put = (said) => setStateValue("said", said);
  if (v.data?.profile !== data.profile) drawSpectrum(v, data.profile);
  const over = (window.embfilterWeights ??= {});
  (over.draw = () => v.weights.setAttribute("d", over.profile ? path(over.profile) : ""))();
  v.data = data;
  v.range.max = data.stops.length - 1;
  v.field.title = v.range.title = data.help;
  const lost = answered(s, data);
  if (lost || (first && unheard(s))) setTimeout(send);
  else if (!unheard(s)) clearTimeout(s.again);
  if (!v.held) place(v);
  s.write();
}

function install() {
  keepAddress(s, () => { place(s.view); tellNow(s.view); });
  document.addEventListener("keydown", undoes);
  // What was moved goes before whatever is chosen elsewhere.
  for (const kind of ["click", "change"]) document.addEventListener(kind, () => tellNow(s.view), true);
}

function build(root) {
  root.innerHTML = CONTROL;
  const all = (at) => [...root.querySelectorAll(at)], [field, range] = all("input"), [tau, ...words] = all("span").reverse();
  const v = { field, range, tau, words: words.reverse(), held: null, last: 0, strip: all(".strip")[0], body: all(".body")[0],
    grips: all(".grip"), rects: all("rect"), areas: all(".area"), marks: all(".mark"), weights: all(".weights")[0] };
  hold(v, v.grips[0], "l"); hold(v, v.grips[1], "r"); hold(v, v.body, "both");
  field.oninput = () => { v.typing = true; };
  field.onchange = () => {
    v.typing = false;
    moves(s, { words: field.value.trim() || USUAL, d: v.data.d });
    ended(v);
  };
  field.onkeydown = (event) => { if (event.key === "Escape") { v.typing = false; place(v); } };
  range.oninput = () => { const [words, l, r] = v.data.stops[range.value]; goes(v, words, l, r); tell(v); };
  range.onchange = () => ended(v);
  // The control stays in sight over the page, so it needs the page's own background, whatever the theme.
  const frame = root.closest(".st-key-window_strip"), app = document.querySelector(".stApp");
  const paint = () => { frame.style.backgroundColor = getComputedStyle(app).backgroundColor; };
  paint();
  new MutationObserver(paint).observe(app, { attributes: true, attributeFilter: ["class", "style"] });
  return v;
}

function hold(v, element, end) {
  element.onpointerdown = (event) => {
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    if (end !== "both") element.focus({ preventScroll: true });
    v.held = { x: event.clientX, ...ends(v) };
  };
  element.onpointermove = (event) => {
    if (!v.held) return;
    drag(v, v.held, end, Math.round(((event.clientX - v.held.x) / v.strip.clientWidth) * v.data.d));
    tell(v);
  };
  element.onpointerup = element.onpointercancel = () => { if (v.held) { v.held = null; ended(v); } };
  if (end === "both") return;
  element.onkeydown = (event) => {
    const d = v.data.d, page = Math.max(1, Math.round(d / 20));
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -page, PageUp: page, Home: -d, End: d }[event.key];
    if (!by) return;
    event.preventDefault();
    drag(v, ends(v), end, by);
    (event.repeat ? tell : ended)(v);
  };
  element.onkeyup = () => ended(v);
}

const ends = (v) => { const { l, r } = s.shown.d === v.data.d && s.shown.r ? s.shown : v.data; return { l, r }; };

function drag(v, from, end, by) {
  const d = v.data.d, now = ends(v), k = from.r - from.l;
  let { l, r } = now;
  if (end === "l") l = clamp(from.l + by, 0, r - 1);
  else if (end === "r") r = clamp(from.r + by, l + 1, d);
  else { l = clamp(from.l + by, 0, d - k); r = l + k; }
  if (l !== now.l || r !== now.r) goes(v, `${l}:${r}`, l, r);
}

function goes(v, words, l, r) { moves(s, { words, l, r, d: v.data.d }); place(v); }

// A move is told at its beginning and its end, so that the last position always arrives.
function tell(v) {
  clearTimeout(v.timer);
  if (performance.now() - v.last < EVERY) v.timer = setTimeout(() => tellNow(v), REST);
  else tellNow(v);
}

function tellNow(v) {
  clearTimeout(v.timer);
  v.last = performance.now();
  if (unheard(s) && s.sent !== s.count) send();
}

function ended(v) { settles(s); s.write(); place(v); tell(v); }

function send(patience = PATIENCE) {
  s.sent = s.count;
  s.put({ number: s.count, words: s.shown.words, d: s.shown.d });
  clearTimeout(s.again);
  s.again = setTimeout(() => send(2 * patience), patience);
}

// Ctrl+Z and Ctrl+Shift+Z are the window's wherever nothing is being typed.
function undoes(event) {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
  const typed = event.target.closest("input:not([type=range]), textarea, [contenteditable=true]");
  if (typed && (typed !== s.view.field || s.view.typing)) return;
  event.preventDefault();
  if (event.shiftKey ? steps(s, "future", "past") : steps(s, "past", "future")) ended(s.view);
}

function path(profile) {
  const values = profile.split(",").map(Number);  // heights in 0..1, left to right
  const points = values.map((h, i) => `${((i + 0.5) / values.length) * WIDTH},${(1 - h) * (HEIGHT - 6) + 4}`);
  const high = (at) => points.at(at).split(",")[1];
  return `M0,${high(0)} L${points.join(" L")} L${WIDTH},${high(-1)}`;
}

function drawSpectrum(v, profile) {
  const line = path(profile);
  for (const mark of v.marks) mark.setAttribute("d", line);
  for (const area of v.areas) area.setAttribute("d", `${line} L${WIDTH},${HEIGHT} L0,${HEIGHT} Z`);
}

function place(v) {
  const { words, l, r, d } = s.shown.r || s.shown.words !== v.data.words ? s.shown : v.data;
  if (!v.typing) v.field.value = words;
  if (!r) return;  // the server reads what was typed
  [[0, l], [l, r], [r, d]].forEach(([from, to], i) => {
    v.rects[i].setAttribute("x", (from / d) * WIDTH); v.rects[i].setAttribute("width", ((to - from) / d) * WIDTH);
  });
  const percent = (i) => `${(i / d) * 100}%`, share = (n) => `${((n / d) * 100).toFixed(n && n / d < 0.0995 ? 1 : 0)}\u00a0%`;
  v.body.style.left = percent(l); v.body.style.width = percent(r - l);
  [["l", l], ["r", r]].forEach(([name, at], i) => {
    const said = { ariaValueMin: 0, ariaValueMax: d, ariaValueNow: at, ariaValueText: `${name} = ${at} of ${d}` };
    v.grips[i].style.left = percent(at);
    Object.assign(v.grips[i], said);
  });
  const tau = d / (r - l), far = v.data.stops.map((stop) => Math.abs(stop[0] - tau));
  v.range.value = far.indexOf(Math.min(...far));
  const [stop, left, right] = v.data.stops[v.range.value];
  v.tau.textContent = v.range.ariaValueText = `τ ${left === l && right === r ? "=" : "≈"} ${stop}`;
  v.words[0].textContent = l ? `strong end: ${l} dropped (${share(l)})` : "strong end kept";
  v.words[1].textContent = `kept ${l}:${r} · ${r - l} of ${d} directions · τ = ${Number(tau.toFixed(2))}`;
  v.words[2].textContent = r < d ? `weak end: ${d - r} dropped (${share(d - r)})` : "weak end kept";
}

const clamp = (v, low, high) => Math.min(high, Math.max(low, v));
