"""Records to Plotly figures; the only room that imports Plotly."""
