"""What is taken away: a window, or any other method as the one affine map that it comes to."""

from dataclasses import dataclass

import numpy as np

from embfilter_viz.analyses.calibration import Calibration
from embfilter_viz.analyses.methods import Parts, fitted, method_of
from embfilter_viz.errors import InputError
from embfilter_viz.model import Model
from embfilter_viz.models.head.frequencies import TokenFrequencies
from embfilter_viz.spectral.affine import AffineMap
from embfilter_viz.spectral.windows import Window
from embfilter_viz.system.progress import Progress, silent

__all__ = ["Refinement", "map_of", "refinement"]


@dataclass(frozen=True, eq=False)
class Refinement:
    """A method of one model, fitted, as e ↦ e A + b."""

    method: str
    """() one of :data:`~embfilter_viz.analyses.methods.METHODS`."""
    does: str
    """() what it does, in words."""
    removes: str
    """() what it removes here, in words."""
    map: AffineMap
    """(d_model, k) float32 matrix and (k,) float32 offset."""
    window: Window | None
    """() the directions kept, where the method keeps a window."""
    calibration: str | None
    """() which texts it learnt from; None where it learns from none."""


def refinement(
    model: Model,
    name: str,
    window: Window,
    *,
    prompt: str = "prompteol",
    calibration: Calibration | None = None,
    frequencies: TokenFrequencies | None = None,
    progress: Progress = silent,
) -> Refinement:
    """A method of ``model`` made ready to be taken away.

    Args:
        model: the opened model.
        name: one of :data:`~embfilter_viz.analyses.methods.METHODS`.
        window: what windows keep; methods that cut keep as many dimensions.
        prompt: how the calibration texts are put to the model: a method that learns is of a prompt.
        calibration: what a method that learns learns from.
        frequencies: p̂ of the reweighting; None: the model's own.
        progress: told of the work; may raise ``Cancelled``.

    Returns:
        the method, made ready.

    Raises:
        InputError: an unknown method, or one that learns without texts or from too few.
    """
    method = method_of(name)
    if method.learns and calibration is None:
        raise InputError(f"method {name}: it learns from texts; give some to calibrate on")
    if calibration is not None and not method.learns:
        raise InputError(f"method {name}: it learns from no texts; leave the calibration out")
    rows = None
    if calibration is not None:
        rows = model.encode(calibration.texts, prompt, progress=progress)
        model.check_lengths(f"method {name}, exported for embeddings of their own lengths,")
    parts = Parts(model, window, frequencies=frequencies, progress=progress)
    one = fitted(name, parts, rows)
    whole = one.affine()
    kept = AffineMap(
        np.ascontiguousarray(whole.matrix, dtype=np.float32), whole.offset.astype(np.float32)
    )
    return Refinement(
        method=name,
        does=method.does,
        removes=one.removes,
        map=kept,
        window=window if method.keeps_window else None,
        calibration=None if calibration is None else calibration.name,
    )


def map_of(model: Model, what: Window | Refinement) -> AffineMap:
    """The map of a window, e ↦ e V_window, or of a refinement: float32, the offset of either."""
    if isinstance(what, Refinement):
        return what.map
    V = np.ascontiguousarray(model.spectrum.V[:, what.kept], dtype=np.float32)
    return AffineMap(V, np.zeros(what.k, dtype=np.float32))
