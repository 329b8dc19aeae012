// What this page may fetch: from its own server and from nowhere else. Nothing here asks for more; the
// browser holds to it also where a library is changed. Nor is the name of a host looked up because a link
// leads to it.
export default function () {
  if (document.head.querySelector("meta[data-embfilter]")) return;
  const own = `'self' ws://${location.host} wss://${location.host} data: blob:`;
  const say = (name, content) => {
    const meta = document.createElement("meta");
    meta.httpEquiv = name;
    meta.content = content;
    meta.dataset.embfilter = "";
    document.head.append(meta);
  };
  say("Content-Security-Policy", `default-src ${own} 'unsafe-inline' 'unsafe-eval'; form-action 'self'; object-src 'none'`);
  say("x-dns-prefetch-control", "off");
}
