// Asks for a run of the whole page whenever the connection to the server is there again (ui/connection.py).
const CONNECTED = "[data-test-connection-state=CONNECTED]";

export default function ({ setTriggerValue }) {
  const w = (window.embfilterConnection ??= watched());
  w.back = () => setTriggerValue("back", `${Date.now()}`);
}

function watched() {
  const app = document.querySelector(".stApp"), w = { there: app.matches(CONNECTED) };
  new MutationObserver(() => {
    const before = w.there;
    w.there = app.matches(CONNECTED);
    if (w.there && !before) w.back();
  }).observe(app, { attributes: true, attributeFilter: ["data-test-connection-state"] });
  return w;
}
