"""Which devices are offered, and when torch is asked."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from embfilter_viz.errors import InputError
from embfilter_viz.models.encoding import devices
from embfilter_viz.models.encoding.devices import check_precision, devices_here, resolve_device


@pytest.fixture
def card(monkeypatch):
    """A graphics card whose driver shows, with a torch built for it that says what it is told."""
    torch = SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: True),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False)),
        __spec__=None,
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(devices.platform, "system", lambda: "Linux")
    monkeypatch.setattr(devices, "_built_for_cards", lambda: True)
    monkeypatch.setattr(devices, "_DRIVERS", (sys.executable,))
    return torch


def test_the_fastest_comes_first_and_auto_takes_it(card):
    assert devices_here() == ("cuda", "cpu")
    assert [resolve_device(asked) for asked in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]
    with pytest.raises(InputError, match=r"device 'mps': not present.*pick one of auto, cuda, cpu"):
        resolve_device("mps")


def test_a_driver_without_a_card_that_torch_sees_is_no_device(card):
    card.cuda.is_available = lambda: False
    assert devices_here() == devices_here(ask_torch=False) == ("cpu",)
    assert resolve_device("auto") == "cpu"


def test_apple_silicon(card, monkeypatch):
    monkeypatch.setattr(devices.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(devices.platform, "machine", lambda: "arm64")
    card.backends.mps.is_available = lambda: True
    assert devices_here() == ("mps", "cpu")
    assert resolve_device("auto") == "mps"


def test_without_a_driver_or_a_torch_for_it_there_is_the_processor(card, monkeypatch):
    monkeypatch.setattr(devices, "_DRIVERS", ("/no/such/driver",))
    assert devices_here() == ("cpu",)
    monkeypatch.setattr(devices, "_DRIVERS", (sys.executable,))
    monkeypatch.setattr(devices, "_built_for_cards", lambda: False)
    assert devices_here() == ("cpu",)


def test_torch_s_build_is_read_as_torch_says_it():
    import torch

    built = torch.version.cuda is not None or torch.version.hip is not None
    assert devices._built_for_cards() == built


def test_the_page_does_not_import_torch_to_offer_devices():
    code = (
        "import sys; from embfilter_viz.models.encoding import devices; "
        "devices._DRIVERS = (sys.executable,); devices._built_for_cards = lambda: True; "
        "devices.platform.system = lambda: 'Linux'; "
        "print(devices.devices_here(ask_torch=False), 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "('cuda', 'cpu') False"


def test_an_unknown_precision_is_one_line():
    assert check_precision("float16") == "float16"
    with pytest.raises(InputError, match="dtype 'int4': unknown; pick one of float32, bfloat16"):
        check_precision("int4")
