"""Texts for hovering travel until the browser says that it has them, and not at every move."""

from types import SimpleNamespace

import pytest

from embfilter_viz.ui import hover


@pytest.fixture
def sent(monkeypatch):
    """What was sent, and the session in which the browser's answer is put."""
    messages, state = [], {}
    monkeypatch.setattr(hover.st, "session_state", state)
    monkeypatch.setattr(hover, "_component", lambda: lambda **more: messages.append(more["data"]))
    return messages, state


def test_texts_are_sent_until_the_browser_has_them(sent):
    messages, state = sent
    name = hover.texts_for_hover(("one", "two"), key="texts")
    assert hover.texts_for_hover(("one", "two"), key="texts") == name
    assert [message["texts"] for message in messages] == [["one", "two"]] * 2
    state["texts"] = SimpleNamespace(has=name)
    hover.texts_for_hover(("one", "two"), key="texts")
    assert messages[-1] == {"name": name, "texts": None, "has": name}


def test_other_texts_are_sent_and_those_that_got_lost_again(sent):
    messages, state = sent
    name = hover.texts_for_hover(("one", "two"), key="texts")
    state["texts"] = SimpleNamespace(has=name)
    assert hover.texts_for_hover(("three",), key="texts") != name
    assert messages[-1]["texts"] == ["three"]
    state["texts"] = SimpleNamespace(has="")  # the browser was asked for texts it does not have
    hover.texts_for_hover(("one", "two"), key="texts")
    assert messages[-1]["texts"] == ["one", "two"]
