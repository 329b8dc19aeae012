// A clock that tells the page when nothing has changed for a while: each new ticket winds it up anew.
// While the server is at work it waits: what it asked then would carry the page's fields as they were
// before the answer.
const AGAIN = 100;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".rest");
  const ring = (idle) => {
    const moves = window.embfilterWindow;
    const busy = (moves && moves.heard < moves.count) || document.querySelector(
      "[data-testid=stApp][data-test-script-state]:not([data-test-script-state=notRunning])");
    if (!busy && idle) setTriggerValue("rested", data.ticket);
    else root.clock = setTimeout(() => ring(!busy), AGAIN);
  };
  if (data.ticket !== root.ticket) {
    clearTimeout(root.clock);
    root.ticket = data.ticket;
    if (data.ticket) root.clock = setTimeout(() => ring(false), data.ms - AGAIN);
  }
  return () => clearTimeout(root.clock);
}
