"""What EmbedFilter is compared with, each a scikit-learn transformer and one affine map.

All take embeddings E (n, d_model), one row a text. Those in ``fewer`` learn nothing; the others are
fitted on calibration embeddings, of other texts than those that are measured.
"""

from embfilter_viz.spectral.baselines.coordinates import RogueDimensions, Standardisation
from embfilter_viz.spectral.baselines.fewer import (
    RANDOM_SUBSPACES,
    RandomCoordinates,
    RandomSubspace,
    Truncation,
    random_orders,
    random_rotation,
)
from embfilter_viz.spectral.baselines.means import FirstDirectionShift, MeanRemoval
from embfilter_viz.spectral.baselines.principal import (
    AllButTheTop,
    PrincipalComponents,
    SoftWhitening,
    Whitening,
)

__all__ = [
    "RANDOM_SUBSPACES",
    "AllButTheTop",
    "FirstDirectionShift",
    "MeanRemoval",
    "PrincipalComponents",
    "RandomCoordinates",
    "RandomSubspace",
    "RogueDimensions",
    "SoftWhitening",
    "Standardisation",
    "Truncation",
    "Whitening",
    "random_orders",
    "random_rotation",
]
