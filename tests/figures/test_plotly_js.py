"""Nothing of Plotly's own configuration is left that could send or fetch anything."""

import re

from embfilter_viz.figures.plotly_js import CONFIG, PAGE_CONFIG, REPORT_CONFIG, plotly_script


def test_every_address_in_plotlys_configuration_is_replaced() -> None:
    script = plotly_script().read_text(encoding="utf-8")
    addresses = re.findall(r'\b(\w+):\{valType:"\w+",(?:\w+:[^{},]+,)*dflt:"https?://', script)
    assert set(addresses) == {"plotlyServerURL", "topojsonURL"}
    for config in (CONFIG, PAGE_CONFIG, REPORT_CONFIG):
        assert [name for name in addresses if "//" in config[name]] == []


def test_plotly_knows_every_name_of_our_configuration() -> None:
    script = plotly_script().read_text(encoding="utf-8")
    for name in {**PAGE_CONFIG, **REPORT_CONFIG}:
        assert f"{name}:{{valType:" in script, name
    for button in PAGE_CONFIG["modeBarButtonsToRemove"]:
        assert f'name:"{button}"' in script, button
