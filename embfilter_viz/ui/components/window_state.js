// The browser's half of what ui/window_state.py describes: the window that is shown, and the URL.
// A window is {words, d} and, once they are known, {l, r}; d is 0 where the model is not known.
const fresh = () => ({ count: 0, heard: 0, answered: 0, epoch: 0, session: null, shown: null, settled: null,
  past: [], future: [], push: false });
const unheard = (s) => s.heard < s.count;

function moves(s, shown) {
  s.count += 1; s.shown = shown;
}

// A move has ended: it can be undone, and is an entry of the browser's history.
function settles(s) {
  if (s.settled.words === s.shown.words) return;
  s.past.push(s.settled); s.future = []; s.settled = s.shown; s.push = true;
}

// Undo: from the past to the future; redo: back.
function steps(s, from, to) {
  if (!s[from].length) return false;
  s[to].push(s.settled); s.settled = s[from].pop(); s.push = true;
  moves(s, s.settled);
  return true;
}

// The browser's history leads to other words, of whatever model its URL names.
function travels(s, words) {
  if (!s.settled || (!unheard(s) && words === s.settled.words && words === s.shown.words)) return false;
  moves(s, { words, d: 0 }); settles(s); s.push = false;
  return true;
}

// An answer of the server; true where there is something to say to it: it has lost, or never knew, what is
// shown, and nothing else is on its way.
function answered(s, { session, epoch, heard, words, l, r, d }) {
  const known = s.session === session, now = { words, l, r, d };
  if (known && epoch < s.epoch) return false;
  const itself = known && epoch > s.epoch;
  const told = known ? heard >= s.answered : words === (s.shown ?? now).words;
  const lost = !told && !unheard(s), most = (n) => Math.max(n, heard);
  Object.assign(s, { session, epoch, answered: known ? most(s.answered) : heard, heard: most(s.heard), count: most(s.count) + lost });
  if (unheard(s)) return lost;
  s.shown = now; s.settled ??= now;
  if (words === s.settled.words || ![0, d].includes(s.settled.d)) s.settled = now;
  else if (itself) settles(s);
  return false;
}

const addressed = (s, url) => {
  const to = new URL(url ?? "", location.href), words = s.settled?.words;
  for (const name in LONGEST)  // ui/links.py
    if ((to.searchParams.get(name) ?? "").length > LONGEST[name]) to.searchParams.delete(name);
  if (words === USUAL) to.searchParams.delete("window");
  else if (words && to.searchParams.get("window") !== words) to.searchParams.set("window", words);
  return to;
};

// Streamlit makes an entry of the history for each value that the server sets. Here a page makes one, and
// the end of a move; each holds the window that was seen.
function keepAddress(s, travelled) {
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  history.replaceState = (state, title, url) => replace(state, title, addressed(s, url));
  let left = null;  // Streamlit takes a page's values out of its URL before it goes to the next page
  addEventListener("click", ({ target }) => { left = target.closest("a[href]") && location.href; }, true);
  history.pushState = (state, title, url) => {
    const to = addressed(s, url);
    if (to.pathname === location.pathname) return replace(state, title, to);
    if (left) replace({}, "", addressed(s, left));
    left = null;
    push(state, title, to);
  };
  s.write = () => {
    const to = addressed(s);
    if (to.href !== location.href) (s.push ? push : replace)({}, "", to);
    s.push = false;
  };
  addEventListener("popstate", () => {
    if (travels(s, new URL(location).searchParams.get("window") ?? USUAL)) travelled();
  });
}
