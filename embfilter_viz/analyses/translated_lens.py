"""Do early layers read better once they are translated? A lens fitted in closed form, and tested.

Half of the texts fit a translator for every layer, the other half test it: the divergence of what
the lens reads from the model's own output, plain and translated, beside a control that knows
nothing of the text: the mean of the last states.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embfilter_viz.analyses.finite import finite
from embfilter_viz.data import DEMO_LANGUAGES, demo_language, demo_texts
from embfilter_viz.embeddings.interval import Interval
from embfilter_viz.embeddings.text_intervals import mean_difference
from embfilter_viz.embeddings.translators import Translator, divergence_bits, fit_translator
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.encoding.token_states import TokenStates
from embfilter_viz.system.progress import Progress, silent
from embfilter_viz.texts import read_texts
from embfilter_viz.wording import counted, fixed

__all__ = ["FEWEST_TEXTS", "LensTranslators", "lens_translators", "texts_to_translate_by"]

FEWEST_TEXTS = 40
"""Texts below which half of them would say too little about a map of d × d numbers."""

MOST_TEXTS = 320
"""Texts that are read; of more, so many are taken at even distances."""

MOST_TESTED = 96
"""Texts that test at most: two tokens of each are read through the head for every layer."""

LOGITS_AT_ONCE = 1 << 23
"""Logits held at once, 32 MB in float32."""

MOST_NUMBERS = 150_000_000
"""Numbers of states that are held at once, 600 MB: of larger models fewer tokens are taken."""


@dataclass(frozen=True, eq=False)
class LensTranslators:
    """A translator for every layer, and how far each layer reads from the model's own output."""

    translators: tuple[Translator, ...]
    """(n_layers,) for the input and every layer but the last that is read."""
    plain: tuple[Interval, ...]
    """(n_layers,) mean divergence in bits of the plain lens, with 95 % intervals over texts."""
    translated: tuple[Interval, ...]
    """(n_layers,) the same of the translated lens."""
    gain: tuple[Interval, ...]
    """(n_layers,) plain less translated, paired."""
    constant: Interval
    """() the same of the control: the mean of the last states, whatever the text."""
    beyond_constant: tuple[Interval, ...]
    """(n_layers,) control less translated, paired: above 0 where the layer knows of its text."""
    n_fitted: int
    """() texts that fitted the translators."""
    n_tested: int
    """() texts that tested them, at most 96, none of which fitted."""
    n_states: int
    """() tokens that fitted them."""
    source: str
    """Which texts, in words."""

    def translate(self, states: np.ndarray) -> np.ndarray:
        """States (n_layers + 1, d_model) after each layer, as the last layer's; the last as it is.

        Raises:
            InputError: states of another number of layers.
        """
        if len(states) != len(self.translators) + 1:
            raise InputError(
                f"states: {len(states)} rows, and the translators are for "
                f"{len(self.translators) + 1}; read the text with the same prompt"
            )
        moved = [one.apply(row[None]) for one, row in zip(self.translators, states, strict=False)]
        return np.concatenate([*moved, states[-1:]]).astype(np.float32)

    @property
    def n_better(self) -> int:
        """Layers that are surely nearer to the model's own output translated than plain."""
        return sum(one.low > 0 for one in self.gain)

    @property
    def sentence(self) -> str:
        """Say what translating gains, and from which layer on it tells of the text, in words."""
        middle = len(self.translators) // 2
        said = (
            f"translated, {self.n_better} of {counted(len(self.gain), 'early layer')} read nearer "
            f"to the model's own output than plain, beyond noise: after layer {middle}, "
            f"{_bits(self.translated[middle])} away instead of {_bits(self.plain[middle])}. "
            f"To say the same of every text is {_bits(self.constant)} away"
        )
        knows = [layer for layer, one in enumerate(self.beyond_constant) if one.low > 0]
        if not knows:
            return f"{said}, and no early layer is surely nearer than that."
        return f"{said}; layer {knows[0]} is the first that is surely nearer than that."

    def to_json(self) -> dict[str, Any]:
        """The record under its names on the command line."""
        return finite(
            {
                "plain_bits": [asdict(one) for one in self.plain],
                "translated_bits": [asdict(one) for one in self.translated],
                "gain_bits": [asdict(one) for one in self.gain],
                "constant_bits": asdict(self.constant),
                "beyond_constant_bits": [asdict(one) for one in self.beyond_constant],
                "ridges": [one.ridge for one in self.translators],
                "n_fitted": self.n_fitted,
                "n_tested": self.n_tested,
                "n_states": self.n_states,
                "source": self.source,
                "sentence": self.sentence,
            }
        )


def texts_to_translate_by(source: str = "demo") -> tuple[tuple[str, ...], str]:
    """The texts called ``demo`` or ``demo-hi``, or those of a file, each once, and what they are.

    Raises:
        InputError: a file that cannot be read.

    >>> len(texts_to_translate_by()[0])
    320
    """
    if (language := demo_language(source)) is not None:
        whose = "our" if language == "en" else f"our {DEMO_LANGUAGES[language]}"
        return demo_texts(language).texts, f"{whose} demo texts"
    table = read_texts(source)
    return tuple(dict.fromkeys(table.texts)), table.source


def lens_translators(
    model: Model,
    texts: Sequence[str],
    prompt: str,
    *,
    source: str = "texts of yours",
    progress: Progress = silent,
) -> LensTranslators:
    """Fit a translator for every layer on one half of the texts and test it on the other.

    The halves take turns through the texts. Tokens that all texts begin with, such as a prompt's,
    fit nothing. What is tested are two tokens of a text, its last and its middle one.

    Args:
        model: the opened model.
        texts: at least 40 different ones.
        prompt: how texts are put to the model; of one template.
        source: what the texts are, in words.
        progress: told of the work; may raise ``Cancelled``.

    Returns:
        a translator for every layer, with its test.

    Raises:
        InputError: too few texts, an empty one, a prompt of several templates, or a model whose
            layers cannot be read.
    """
    distinct = list(dict.fromkeys(texts))
    if len(distinct) < FEWEST_TEXTS:
        raise InputError(
            f"translators: {source} has {counted(len(distinct), 'different text')}, and at least "
            f"{FEWEST_TEXTS} are needed; give more"
        )
    n = min(len(distinct), MOST_TEXTS)
    taken = [distinct[i * len(distinct) // n] for i in range(n)]
    read = []
    for done, text in enumerate(taken):
        progress("Reading texts, layer by layer", done, n, "texts")
        read.append(_own(model.token_states(text, prompt), n))
    shared = _shared([ids for ids, _ in read])
    kept = [states[:, min(shared, states.shape[1] - 1) :] for _, states in read]
    fitting = np.concatenate(kept[::2], axis=1)
    of_text = np.repeat(np.arange(len(kept[::2])), [one.shape[1] for one in kept[::2]])
    chooses = of_text % 4 == 3
    last = fitting.shape[0] - 1
    translators = []
    for layer in range(last):
        progress("Fitting translators", layer, last, "layers")
        translators.append(fit_translator(fitting[layer], fitting[last], chooses))
    tested = kept[1::2][:MOST_TESTED]
    constant = np.asarray(fitting[last].mean(axis=0, dtype=np.float64), dtype=np.float32)
    plain, moved, control = _tested(model, translators, tested, constant, progress)
    none = np.zeros(len(tested))
    return LensTranslators(
        translators=tuple(translators),
        plain=tuple(mean_difference(one, none) for one in plain),
        translated=tuple(mean_difference(one, none) for one in moved),
        gain=tuple(mean_difference(*both) for both in zip(plain, moved, strict=True)),
        constant=mean_difference(control, none),
        beyond_constant=tuple(mean_difference(control, one) for one in moved),
        n_fitted=len(kept[::2]),
        n_tested=len(tested),
        n_states=fitting.shape[1],
        source=source,
    )


def _own(found: TokenStates, n_texts: int) -> tuple[tuple[int, ...], np.ndarray]:
    """A text's ids and states, its last tokens alone where all texts' would not fit in memory."""
    layers, _, d = found.states.shape
    most = max(2, MOST_NUMBERS // (layers * d * n_texts))
    return found.ids[-most:], found.states[:, -most:]


def _shared(ids: Sequence[tuple[int, ...]]) -> int:
    """Say how many tokens all texts begin with."""
    count = 0
    for column in zip(*ids, strict=False):
        if len(set(column)) > 1:
            break
        count += 1
    return count


def _tested(
    model: Model,
    translators: Sequence[Translator],
    tested: Sequence[np.ndarray],
    constant: np.ndarray,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Divergences in bits, a number a text: plain and translated (n_layers, t), control (t,).

    Args:
        model: the opened model.
        translators: one for each layer.
        tested: the states of each tested text, by layer and token.
        constant: (d_model,) the state that the control always gives.
        progress: told of the work.

    Returns:
        plain and translated (n_layers, t), and the control (t,).
    """
    states = np.stack([one[:, at] for one in tested for at in (one.shape[1] // 2, -1)], axis=1)
    plain, moved = (np.empty((len(translators), states.shape[1])) for _ in range(2))
    control = np.empty(states.shape[1])
    of_constant = model.unembedding.logits(constant[None])
    # A head is read from memory once for a block, so that a block holds many states.
    at_once = max(2, LOGITS_AT_ONCE // model.d_vocab)
    for start in range(0, states.shape[1], at_once):
        block = slice(start, start + at_once)
        own = model.unembedding.logits(states[-1, block])
        control[block] = divergence_bits(own, of_constant)
        for layer, one in enumerate(translators):
            progress("Testing translators", start + layer / len(translators), states.shape[1], "")
            rows = np.concatenate([states[layer, block], one.apply(states[layer, block])])
            both = model.unembedding.logits(rows)
            plain[layer, block] = divergence_bits(own, both[: len(own)])
            moved[layer, block] = divergence_bits(own, both[len(own) :])
    return tuple(
        one.reshape(*one.shape[:-1], len(tested), 2).mean(axis=-1)
        for one in (plain, moved, control)
    )


def _bits(one: Interval) -> str:
    return f"{fixed(one.value, 1)} bits [{fixed(one.low, 1)}, {fixed(one.high, 1)}]"
