// Plotly, loaded once for the tab: by the first figure, or before there is one. CONFIG comes from
// figures/plotly_js.py and holds for all figures: one that is drawn without it is not left as Plotly comes.
function plotly(url) {
  return (window.embfilterPlotly ??= new Promise((resolve, reject) => {
    const ready = () => { window.Plotly.setPlotConfig(CONFIG); resolve(window.Plotly); };
    if (window.Plotly) return ready();
    const script = document.createElement("script");
    script.src = url;
    script.onload = ready;
    script.onerror = () => reject(new Error(`cannot load ${url}`));
    document.head.append(script);
  }));
}
