"""Pages of a served engine: only those named at the start are asked, and a link names none."""

from pathlib import Path

import pytest

from embfilter_viz.engine_model import EngineModel
from embfilter_viz.errors import InputError
from embfilter_viz.ui.access import ENGINES_VARIABLE, Access
from tests.models.engines.stand_in import LocalOnce, StandIn, serving
from tests.pages.explorer import Explorer


def test_a_link_makes_the_server_ask_no_address(tiny: Path) -> None:
    engine = StandIn(tiny)
    with serving(engine) as address:
        explorer = Explorer("geometry", model=f"engine:{address}#tiny={tiny}")
        assert engine.looks == []
    assert engine.asked == []
    (line,) = explorer.errors
    assert "these pages ask no served engine but those named" in line
    assert explorer.figures == set()


def test_an_engine_named_at_the_start_is_tested_and_reads_the_texts(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EngineModel, "_local", lambda self: LocalOnce(tiny))
    with serving(StandIn(tiny)) as address:
        name = f"engine:{address}#tiny={tiny}"
        monkeypatch.setenv(ENGINES_VARIABLE, name)
        explorer = Explorer("filter_and_lens", model=name)
        assert explorer.errors == []
        assert "gives the state after the last layer alone" in explorer.words
        assert "ranks_chart" in explorer.figures
        assert "vLLM 0.32.0 answers the state of a text's last token" in explorer.words
        assert name in explorer.control("model").options
        explorer.go("average_token")
        assert explorer.errors == []
        assert explorer.control("source").value == "wordfreq"


def test_the_rules_for_engines() -> None:
    rules = Access.of({ENGINES_VARIABLE: "http://gpu:8000/v1, engine:http://other#m"})
    assert rules.offered == ("engine:http://other#m",)
    for name in ("engine:http://gpu:8000#m", "engine:http://other#another=smollm2-135m"):
        assert rules.refuses_model(name) == ""
    for name in ("engine:http://gpu:8001#m", "engine:http://gpu.evil:8000#m", "engine:http://g#m"):
        assert "ask no served engine but those named" in rules.refuses_model(name)
    public = Access(public=True, models=("engine:http://gpu#m",))
    assert public.refuses_model("engine:http://gpu#m") == ""
    assert public.refuses_model("engine:http://gpu#other") != ""
    with pytest.raises(InputError, match="has a user or password in it"):
        Access.of({ENGINES_VARIABLE: "http://me:secret@gpu:8000"})
