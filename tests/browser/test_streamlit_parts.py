"""What our scripts and styles name of Streamlit's page, which no release promises to keep."""

import re
from pathlib import Path
from typing import Any

import streamlit

COMPONENTS = Path(__file__).parents[2] / "embfilter_viz" / "ui" / "components"
NAMES = re.compile(
    r"\[(data-test[\w-]*(?:=\w+)?)\]"  # an attribute, with or without its value
    r"|(\.st(?:App|-key-[\w-]+)|\.block-container)"  # a class
    r"|var\((--st-[\w-]+)|read\(\"(--st-[\w-]+)"  # a variable of the theme
)


NEVER_SHOWN = {"data-testid=stSkillsNudge"}
"""What we hide of Streamlit's page, and the server keeps from it: only its scripts name it."""


def test_what_is_hidden_is_still_called_so() -> None:
    scripts = Path(streamlit.__file__).parent.joinpath("static", "static", "js").glob("*.js")
    words = "".join(script.read_text("utf-8") for script in scripts)
    missing = sorted(name for name in NEVER_SHOWN if name.rpartition("=")[2] not in words)
    assert not missing, f"Streamlit {streamlit.__version__} has other names than these: {missing}"


def test_every_name_is_in_the_page(visit: Any) -> None:
    files = [*COMPONENTS.glob("*.js"), *COMPONENTS.glob("*.css")]
    named = {"".join(found) for file in files for found in NAMES.findall(file.read_text("utf-8"))}
    assert named > NEVER_SHOWN
    assert len(named) >= 10
    page = visit("spectrum").page  # which has every kind of control
    missing = [
        name
        for name in sorted(named - NEVER_SHOWN)
        if not page.evaluate(
            """(name) => name.startsWith("--")
                 ? getComputedStyle(document.querySelector(".chart")).getPropertyValue(name)
                 : document.querySelector(name.startsWith(".") ? name : `[${name}]`)""",
            name,
        )
    ]
    assert not missing, (
        f"Streamlit {streamlit.__version__} has other names than these, which "
        f"ui/components/ relies on: {', '.join(missing)}"
    )
