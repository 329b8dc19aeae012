// Texts that figures name by row: sent once, kept for every figure that shows them.
export default function ({ data }) {
  const known = (window.embfilterTexts ??= new Map());
  if (known.has(data.name)) return;
  if (known.size > 2) known.delete(known.keys().next().value);
  known.set(data.name, data.texts);
  document.dispatchEvent(new Event("embfilter-texts"));
}
