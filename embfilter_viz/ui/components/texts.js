// Texts that figures name by row: sent until the browser says it has them, kept for every figure.
export default function ({ data, setStateValue }) {
  const known = (window.embfilterTexts ??= new Map());
  if (data.texts && !known.has(data.name)) {
    if (known.size > 2) known.delete(known.keys().next().value);
    known.set(data.name, data.texts);
    document.dispatchEvent(new Event("embfilter-texts"));
  }
  const has = known.has(data.name) ? data.name : "";
  if (has !== data.has) setStateValue("has", has);
}
