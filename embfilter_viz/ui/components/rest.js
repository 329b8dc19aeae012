// A clock that tells the page when nothing has changed for a while: each new ticket winds it up anew.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".rest");
  if (data.ticket !== root.ticket) {
    clearTimeout(root.clock);
    root.ticket = data.ticket;
    if (data.ticket) root.clock = setTimeout(() => setTriggerValue("rested", data.ticket), data.ms);
  }
  return () => clearTimeout(root.clock);
}
