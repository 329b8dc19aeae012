"""A few combinations of tiny models: no sentence of theirs breaks a rule."""

from collections.abc import Iterator

import pytest

from tests.environment import few_words
from tests.models.tiny_checkpoints import one_thread  # noqa: F401 - an autouse fixture
from tests.pages.explorer import as_served
from tools.all_sentences import Told, tell
from tools.sentences.combinations import FEW, combinations, write_models
from tools.sentences.said import Files


def test_there_are_sixty_combinations_and_the_extremes_are_among_them() -> None:
    every = combinations()
    assert len(set(every)) == 60
    ends = {one.ends for one in every}
    assert {(0, 32, 32), (1, 576, 576), (0, 16, 32), (16, 32, 32)} <= ends
    assert any(right - left == 1 for left, right, _ in ends)
    assert {one.prompt for one in every} == {"prompteol", "echo", "mean", "last"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Told]]:
    """What is said of each."""
    import streamlit as st

    folder = tmp_path_factory.mktemp("sentences")
    st.cache_resource.clear()
    with pytest.MonkeyPatch.context() as patch, as_served():
        few_words(patch)
        models, files = write_models(folder), Files(folder)
        yield [tell(one, models, files) for one in FEW]
    st.cache_resource.clear()


def test_commands_and_pages_speak(told: list[Told]) -> None:
    for one in told:
        spoken = {said.where for said in one.said if said.kind == "sentence"}
        assert spoken >= {
            *(f"command {name}" for name in ("spectroscopy", "lens", "geometry", "propose")),
            *("command sweep", "command compare", "page Start", "page Spectrum", "page Geometry"),
            *("page Average token", "page Filter and lens", "page Window laboratory"),
            "page Compare",
        }
        assert one.combination.name in one.markdown


def test_no_sentence_breaks_a_rule(told: list[Told]) -> None:
    faults = [f"{one.combination.name}: {fault}" for one in told for fault in one.faults]
    assert not faults, "\n".join(faults)
