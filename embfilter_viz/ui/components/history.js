// What was tried in this browser: kept in its own storage, told to the page when it differs from what
// the page knows. Nothing of it stays on the server.
const PLACE = "embfilter-viz runs", MOST = 200;

export default function ({ data, setStateValue }) {
  let runs = read();
  const before = JSON.stringify(runs);
  if (data.clear) runs = runs.filter((run) => run.at > data.clear);
  for (const run of data.add) {
    if (runs.some((one) => one.id === run.id && one.at >= run.at)) continue;
    runs = [...runs.filter((one) => one.id !== run.id), run];
  }
  runs = runs.slice(-MOST);
  const now = JSON.stringify(runs);
  if (now !== before) try { localStorage.setItem(PLACE, now); } catch { /* a browser that keeps nothing */ }
  if (now !== data.known) setStateValue("runs", now);
}

function read() {
  try {
    const runs = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(runs) ? runs.filter((run) => run && typeof run === "object") : [];
  } catch { return []; }
}
