"""A model written down by hand: a head of a few numbers, tokens with names, no transformer."""

from collections.abc import Iterable, Sequence

import numpy as np

from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.models.head.unembedding import Unembedding
from embfilter_viz.spectral.average_token import AverageToken, average_token
from embfilter_viz.spectral.spectrum import Spectrum, spectrum_of
from embfilter_viz.system.progress import Progress, silent


class Names:
    """Tokens by row."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def text(self, row: int) -> str:
        return self.names[row]

    def texts(self, rows: Iterable[int]) -> list[str]:
        return [self.text(row) for row in rows]


class HandModel:
    """What the analyses ask of a model."""

    name = "by hand"
    n_experts = 0

    def __init__(self, W_U: object, names: Sequence[str] | None = None) -> None:
        W = np.array(W_U, dtype=np.float32)
        self.unembedding = Unembedding(W)
        self.d_vocab, self.d_model = W.shape
        self.vocabulary = Names(names or [f"t{i}" for i in range(self.d_vocab)])

    def spectrum_of_head(self, *, centre: bool = False, progress: Progress = silent) -> Spectrum:
        return spectrum_of(self.unembedding.W_U, centre=centre)

    @property
    def spectrum(self) -> Spectrum:
        return self.spectrum_of_head()

    def average_token(
        self, frequencies: TokenFrequencies, gauge: str = "centred", *, progress: Progress = silent
    ) -> AverageToken:
        spectrum = self.spectrum_of_head(centre=gauge == "invariant")
        return average_token(self.unembedding.W_U, spectrum, frequencies.p, gauge)


def frequencies_of(p: object) -> TokenFrequencies:
    """Token frequencies as given, scaled to sum to 1."""
    values = np.array(p, dtype=np.float64)
    return TokenFrequencies(
        p=values / values.sum(), source="corpus", detail="by hand", smoothing=0, counted=1, zeros=0
    )
