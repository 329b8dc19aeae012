from pathlib import Path

import numpy as np
import pytest

from embfilter_viz.analyses.scripts import script_shares, shares_of
from embfilter_viz.model import open_model
from embfilter_viz.models.head.frequencies import smoothed
from embfilter_viz.models.head.scripts import token_scripts


def test_shares_by_hand() -> None:
    p = smoothed(np.array([5.0, 1.0, 3.0, 1.0]), 0, source="corpus", detail="by hand")
    found = shares_of(("Latin", "no letters", "Han", "Latin"), p)
    assert [(one.script, one.n_tokens, one.vocabulary) for one in found.shares] == [
        ("Latin", 2, 0.5), ("Han", 1, 0.25), ("no letters", 1, 0.25),
    ]  # fmt: skip
    assert [one.frequency for one in found.shares] == pytest.approx([0.6, 0.3, 0.1])
    assert found.sentence == (
        "Latin tokens have 60 % of p̂ and are 50 % of the vocabulary, Han tokens have 30 % of p̂ and "
        "are 25 % of the vocabulary and tokens without letters have 10 % of p̂ and are 25 % of the "
        "vocabulary."
    )


def test_shares_of_a_model_sum_to_one_and_are_looked_at_once(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(str(tiny))
    frequencies = model.frequencies("corpus", ["the cat sat"])
    found = script_shares(model, frequencies)
    assert sum(one.frequency for one in found.shares) == pytest.approx(1)
    assert sum(one.vocabulary for one in found.shares) == pytest.approx(1)
    assert sum(one.n_tokens for one in found.shares) == model.d_vocab
    scripts = np.array(token_scripts(model.vocabulary))
    for one in found.shares:
        assert one.frequency == pytest.approx(frequencies.p[scripts == one.script].sum())
    monkeypatch.setattr(
        "embfilter_viz.opened_head.token_scripts", lambda *_, **__: pytest.fail("again")
    )
    assert script_shares(model, frequencies).to_json() == found.to_json()
    assert open_model(str(tiny)).token_scripts() == tuple(scripts.tolist())
