"""A model in parts is one model, whichever part or folder is given."""

import shutil
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file

from embfilter_viz import open_model
from embfilter_viz.errors import InputError
from embfilter_viz.models.gguf.parts import read_gguf
from embfilter_viz.models.sources.known import known_models
from embfilter_viz.models.sources.locate import locate, outline
from tests.models.tiny_gguf import write_gguf

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    """A tiny model in three parts, as llama-gguf-split writes them; its head is in the last."""
    whole = tmp_path / "whole.gguf"
    write_gguf(whole, tied=False)
    folder = tmp_path / "parts"
    folder.mkdir()
    return split(whole, folder, 3)


def split(whole: Path, folder: Path, count: int) -> list[Path]:
    reader: Any = gguf.GGUFReader(whole)
    made = []
    for number, tensors in enumerate(np.array_split(np.arange(len(reader.tensors)), count)):
        path = folder / f"tiny-{number + 1:05}-of-{count:05}.gguf"
        writer: Any = gguf.GGUFWriter(path, "llama")
        if number == 0:
            for field in reader.fields.values():
                if not field.name.startswith(("GGUF.", "general.architecture")):
                    kinds = [*field.types, None][:2]
                    writer.add_key_value(field.name, field.contents(), *kinds)
        else:
            writer.kv_data[0].clear()
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", count)
        writer.add_int32("split.tensors.count", len(reader.tensors))
        for i in tensors:
            tensor = reader.tensors[int(i)]
            writer.add_tensor(tensor.name, np.array(tensor.data), raw_dtype=tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        made.append(path)
    return made


@pytest.mark.parametrize("given", ["first", "last", "folder"])
def test_all_parts_are_taken_whichever_is_given(
    parts: list[Path], tmp_path: Path, given: str
) -> None:
    name = {"first": parts[0], "last": parts[2], "folder": parts[0].parent}[given]
    model = open_model(str(name))
    one = open_model(str(tmp_path / "whole.gguf"))
    assert not model.card.tied
    assert model.card.parameters == one.card.parameters
    assert model.card.n_layers == one.card.n_layers
    np.testing.assert_array_equal(model.unembedding.W_U, one.unembedding.W_U)
    np.testing.assert_array_equal(model.spectrum.singular_values, one.spectrum.singular_values)


def test_a_model_in_parts_is_converted_as_the_one_it_is(parts: list[Path], tmp_path: Path) -> None:
    split_up, one = locate(str(parts[1])), locate(str(tmp_path / "whole.gguf"))
    ours, theirs = (load_file(c.folder / "model.safetensors") for c in (split_up, one))
    assert set(ours) == set(theirs)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert locate(str(parts[0].parent)).folder == split_up.folder
    known = [m.name for m in known_models() if m.source.startswith("GGUF")]
    assert set(known) == {str(parts[0]), str(tmp_path / "whole.gguf")}


def test_a_missing_part_is_one_line_that_names_it(parts: list[Path]) -> None:
    parts[1].unlink()
    for name in (parts[0], parts[2], parts[0].parent):
        with pytest.raises(InputError, match=parts[1].name) as line:
            outline(str(name))
        assert "\n" not in str(line.value)
        assert str(line.value).startswith(str(name))


def test_a_part_under_another_name_says_what_it_should_be_called(parts: list[Path]) -> None:
    renamed = parts[0].rename(parts[0].with_name("model.gguf"))
    with pytest.raises(InputError, match=r"one of the 3 parts .*-00001-of-00003\.gguf"):
        outline(str(renamed))


def test_parts_of_two_models_are_told_apart(parts: list[Path]) -> None:
    shutil.copy(parts[0], parts[1])
    with pytest.raises(InputError, match=r"is no part 2 of 3"):
        read_gguf(parts[0], "tiny")


def test_a_folder_with_two_models_names_each_once(parts: list[Path], tmp_path: Path) -> None:
    shutil.copy(tmp_path / "whole.gguf", parts[0].parent / "other.gguf")
    (parts[0].parent / "mmproj-tiny.gguf").touch()
    with pytest.raises(InputError, match="2 GGUF models") as line:
        outline(str(parts[0].parent))
    assert str(line.value).endswith("give one of other.gguf, tiny-00001-of-00003.gguf")
