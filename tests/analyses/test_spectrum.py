import json
from typing import Any

import numpy as np
import pytest

from embfilter_viz.analyses.spectrum import describe_direction, describe_spectrum
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from tests.analyses.hand_made import HandModel, frequencies_of
from tests.models.tiny_checkpoints import D_MODEL


def test_by_hand() -> None:
    model: Any = HandModel([[4, 0], [0, 2], [0, 0]])
    said = describe_spectrum(model).sentence
    assert "the first direction alone holds 80% of the head's energy" in said
    assert "The largest σ is 4, 2.0 × the second." in said
    assert "Half of the energy is in the first direction alone" in said
    assert "the condition number is 2." in said
    assert "group" not in said


def test_a_flat_spectrum_says_the_opposite_of_a_peaked_one() -> None:
    model: Any = HandModel(np.concatenate([np.eye(4), np.eye(4)]))
    said = describe_spectrum(model).sentence
    assert "holds 25% of the head's energy" in said
    assert "1.0 × the second" in said
    assert "first 2 of 4 directions" in said
    assert "1 group of neighbours is too close to tell apart" in said


def test_a_single_direction_and_a_head_without_full_rank() -> None:
    one: Any = HandModel([[3.0], [4.0]])
    assert "in the first direction alone" in describe_spectrum(one).sentence
    flat: Any = HandModel([[4, 0], [2, 0], [1, 0]])
    said = describe_spectrum(flat)
    assert "condition number is infinite" in said.sentence
    assert said.to_json()["condition_number"] is None


@pytest.mark.parametrize("centre", [False, True])
def test_to_json_is_complete(tiny_model: Model, centre: bool) -> None:
    report = describe_spectrum(tiny_model, centre=centre)
    said = json.loads(json.dumps(report.to_json(), allow_nan=False))
    spectrum = report.spectrum
    assert said["singular_values"] == spectrum.singular_values.tolist()
    assert said["relative_error"] == spectrum.relative_error.tolist()
    assert said["cumulative_energy"] == spectrum.cumulative_energy.tolist()
    assert said["condition_number"] == spectrum.condition_number
    assert said["degenerate_groups"] == [list(group) for group in spectrum.groups]
    assert (said["d_vocab"], said["d_model"]) == (spectrum.d_vocab, spectrum.d_model)
    assert (said["centred"], said["route"]) == (centre, spectrum.route)
    assert said["model"] == tiny_model.name


def test_direction_by_hand() -> None:
    model: Any = HandModel([[4, 0], [-1, 2], [-3, 0]], ["a", "b", "c"])
    frequencies = frequencies_of([1, 2, 3])
    found = describe_direction(model, 0, top=2, frequencies=frequencies)
    loadings = model.unembedding.W_U @ model.spectrum.V[:, 0]
    assert [t.text for t in found.positive] == ["a", "b"]
    assert [t.text for t in found.negative] == ["c", "b"]
    assert [t.logit for t in found.positive] == pytest.approx(loadings[[0, 1]].tolist())
    assert [t.frequency_rank for t in found.positive] == [2, 1]
    assert found.group is None


def test_a_centred_direction_reads_centred_rows() -> None:
    W = np.array([[5, 1], [5, -1], [8, 0], [2, 0]], dtype=float)
    model: Any = HandModel(W)
    found = describe_direction(model, 0, top=1, centre=True)
    assert found.positive[0].logit == pytest.approx(3, abs=1e-5)  # 8 less the mean 5
    assert found.negative[0].logit == pytest.approx(-3, abs=1e-5)
    assert found.positive[0].frequency_rank is None


def test_a_degenerate_direction_names_its_group() -> None:
    model: Any = HandModel([*np.diag([4.0, 2, 2, 1]).tolist(), [0] * 4])
    found = describe_direction(model, 2, top=1)
    assert found.group == (1, 3)
    assert found.to_json()["degenerate_group"] == [1, 3]
    assert describe_direction(model, 3, top=1).to_json()["degenerate_group"] is None


def test_direction_to_json(tiny_model: Model) -> None:
    found = describe_direction(tiny_model, 5, top=3)
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (said["index"], said["singular_value"]) == (5, found.singular_value)
    assert [t["id"] for t in said["positive"]] == [t.id for t in found.positive]
    assert set(said["negative"][0]) == {"id", "text", "logit", "frequency_rank"}


@pytest.mark.parametrize("index", [-1, D_MODEL, 10**9])
def test_no_such_direction(tiny_model: Model, index: int) -> None:
    with pytest.raises(InputError, match=rf"direction {index}: .*0 to {D_MODEL - 1}"):
        describe_direction(tiny_model, index)
