"""What a page shows of the hostile strings: whole, as text, and with nothing made of them."""

import html
import re
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page

from tests.browser.gate import Gate, names_no_other_host
from tests.browser.hostile import covered

__all__ = ["Watch"]

WATCHED = """
window.__refused = [];
addEventListener("securitypolicyviolation", (event) => __refused.push(event.blockedURI));
"""

# All text and all attributes with a mark in them. What is read in one piece is one text: a span
# without attributes, which only keeps a sign apart, belongs to what is around it; code, whose lines
# are coloured word by word, is one. Where another element begins or ends there is a break.
FOUND = r"""() => {
  const mark = /zq\d\d/i, out = { texts: [], attributes: [], links: [], ran: window.__ran ?? 0,
    refused: window.__refused ?? [], frames: window.frames.length };
  const apart = (e) => e.nodeName === "SPAN" && !e.attributes.length;
  const piece = (e) => [...e.childNodes].map((n) => n.nodeType === 3 ? n.data
    : n.nodeType !== 1 ? "" : apart(n) ? piece(n) : "\u2016").join("");
  const seen = new Set();
  // The words under a saved figure are broken into lines, each an element of its own.
  const feet = [...document.querySelectorAll(":root:is(svg) > text")];
  feet.forEach((e) => seen.add(e));
  if (feet.length) out.texts.push(["foot", feet.map((e) => e.textContent).join(" ")]);
  const look = (root) => {
    for (const e of root.querySelectorAll("*")) {
      if (e.shadowRoot) look(e.shadowRoot);
      for (const a of e.attributes) if (mark.test(a.value) || mark.test(a.name))
        out.attributes.push([e.nodeName.toLowerCase(), a.name, a.value]);
      if (["INPUT", "TEXTAREA"].includes(e.nodeName) && mark.test(e.value))
        out.texts.push(["input", e.value]);
      if (["SCRIPT", "STYLE", "TEXTAREA"].includes(e.nodeName)) continue;
      if (![...e.childNodes].some((n) => n.nodeType === 3) || !mark.test(e.textContent)) continue;
      let host = e.closest("pre") ?? e;
      while (apart(host)) host = host.parentElement;
      if (seen.has(host)) continue;
      seen.add(host);
      const said = host.nodeName === "PRE" ? host.textContent : piece(host);
      if (!mark.test(said)) continue;
      const kind = host.closest("svg") ? "figure" : host.closest("canvas, table") ? "table"
        : host.nodeName.toLowerCase();
      out.texts.push([kind, said]);
      if (host.closest("a")) out.links.push(host.closest("a").outerHTML.slice(0, 200));
    }
  };
  look(document);
  return out;
}"""

# Every point that has something of a string to say, hovered over; what is said of it.
HOVERED = r"""async () => {
  const mark = /zq\d\d/gi, said = [];
  const label = (p) => [...p.querySelectorAll(".hoverlayer .hovertext")].map((g) =>
    [...g.querySelectorAll("text")].map((t) => t.querySelector(".line")
      ? [...t.querySelectorAll(".line")].map((l) => l.textContent) : [t.textContent])).flat(2);
  for (const p of document.querySelectorAll(".plot, .figure")) {
    const done = new Set();
    for (const [curve, t] of (p._fullData ?? []).entries()) {
      const words = t.hovertext || t.text;
      if (t.hoverinfo === "skip" || !t.visible) continue;
      const flat = Array.isArray(words?.[0]);
      const all = flat ? words.flatMap((row, r) => row.map((w, c) => [[r, c], w]))
        : Array.isArray(words) ? [...words.entries()] : [[0, words ?? ""]];
      for (const [point, w] of all) {
        const marks = `${w} ${t.name} ${t.hovertemplate}`.match(mark) ?? [];
        if (!marks.some((m) => !done.has(m))) continue;
        marks.forEach((m) => done.add(m));
        const panel = t.xaxis ? t.xaxis + t.yaxis : "xy";
        const axis = (name) => p._fullLayout[`${name[0]}axis${name.slice(1)}`];
        // Points that a graphics card draws are found by their place alone.
        const at = t.type === "scattergl"
          ? { xpx: axis(t.xaxis).d2p(t.x[point]), ypx: axis(t.yaxis).d2p(t.y[point]) }
          : [{ curveNumber: curve, pointNumber: point }];
        window.Plotly.Fx.hover(p, at, panel);
        await new Promise((go) => setTimeout(go, 55));
        said.push(...label(p));
      }
    }
    if (p._fullData) window.Plotly.Fx.unhover(p);
  }
  return said;
}"""

SAID = frozenset({"title", "aria-label", "placeholder", "value", "alt"})
"""Attributes that are read out or shown: what stands in them is whole too."""

PICTURE = re.compile(r"(url\(\"?)?data:image/png;base64,[A-Za-z0-9+/=]+(\"?\))?$")


class Watch:
    """A browser's context in which nothing may run and nobody else may be asked."""

    def __init__(self, context: BrowserContext, own: str) -> None:
        """Watch a context that has no page open yet; ``own`` is the address of its one server."""
        self.gate = Gate(context, own)
        self.shown: Counter[tuple[int, str]] = Counter()
        self.faults: list[str] = []
        context.add_init_script(WATCHED)
        context.on("page", self._opened)

    def _opened(self, page: Page) -> None:
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))

    def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"a script ran: {dialog.message}")
        dialog.dismiss()

    def look(self, page: Page, place: str, *, hover: bool = True) -> None:
        """Note what a page shows of the strings, and all that is wrong with it.

        Args:
            page: an open page, complete.
            place: its name, for what is noted.
            hover: whether the points of its figures are hovered over too.
        """
        found = page.evaluate(FOUND)
        texts = found["texts"]
        if hover:
            texts += [("hover", said) for said in page.evaluate(HOVERED)]
        for name, value in ((a[1], a[2]) for a in found["attributes"]):
            self._attribute(place, name, value)
        for kind, said in texts:
            self.read(f"{place}, {kind}", said)
        self.faults += [f"{place}: a link was made: {link}" for link in found["links"]]
        if found["ran"]:
            self.faults.append(f"{place}: a script ran")
        self.faults += [f"{place}: asked for {url}" for url in found["refused"]]
        self.faults += [f"{place}: asked for {url}" for url in self.gate.others]
        self.gate.others.clear()
        if found["frames"]:
            self.faults.append(f"{place}: {found['frames']} frames")
        try:
            names_no_other_host(page, self.gate)
        except AssertionError as named:
            self.faults.append(f"{place}: names another host: {named}")

    def read(self, place: str, said: str) -> None:
        """Note one text: each string that it has something of stands there whole."""
        for number, whole in covered(said):
            if whole:
                self.shown[number, place] += 1
            else:
                self.faults.append(f"{place}: not as it is: {said[:400]!r}")

    def _attribute(self, place: str, name: str, value: str) -> None:
        if name in SAID:
            self.read(f"{place}, {name}", value)
        elif name == "data-unformatted":
            self.read(f"{place}, {name}", html.unescape(re.sub("<br>|</?b>", "\u2016", value)))
        elif PICTURE.match(value):
            return  # letters of a picture's own numbers
        elif name in ("href", "action"):
            if urlsplit(value).netloc not in ("", self.gate.own.netloc):
                self.faults.append(f"{place}: {name} leads elsewhere: {value[:200]}")
            if ":" in value.partition("?")[0].partition("/")[0]:
                self.faults.append(f"{place}: {name} is no address of ours: {value[:200]}")
        elif not name.startswith("data-"):
            self.faults.append(f"{place}: an attribute {name}={value[:200]!r}")

    def numbers(self, *kinds: str) -> set[int]:
        """The strings that were seen whole, in places of these kinds: ``hover``, ``figure``."""
        return {n for n, place in self.shown if not kinds or place.rpartition(", ")[2] in kinds}
