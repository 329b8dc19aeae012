"""What the READMEs of all exported folders say alike."""

from embfilter_viz.analyses.methods import WINDOW
from embfilter_viz.export.provenance import Provenance

__all__ = ["claim", "front_matter", "heading", "terms"]


def front_matter(about: Provenance, library: str) -> str:
    """The lines by which a hub knows a folder of ``library``."""
    lines = [f"library_name: {library}", "pipeline_tag: sentence-similarity"]
    if about.licence:
        lines.append(f"license: {about.licence}")
    return "\n".join([*lines, "tags:", f"- {library}", "- embfilter-viz"])


def heading(about: Provenance) -> str:
    """The name of what is done to embeddings, in a few words."""
    if about.method == WINDOW:
        return f"filtered: {about.dims} of {about.d_model} dimensions"
    return f"{about.method}: {about.d_model} numbers in, {about.dims} out"


def claim(about: Provenance) -> str:
    """The same in a sentence."""
    if about.method == WINDOW:
        return (
            f"Text embeddings of {about.model} without {about.removes} of its unembedding "
            "(EmbedFilter, Wu et\nal., arXiv 2606.07502)."
        )
    learnt = f", learnt from {about.calibration}" if about.calibration else ""
    return f"Text embeddings of {about.model}, refined{learnt}: {about.does}."


def terms(about: Provenance) -> str:
    """The licence under which the model in the folder is passed on."""
    if about.licence:
        return f"The model in this folder is {about.model}, under {about.licence}."
    return (
        f"The model in this folder is {about.model}; its files state no licence, so ask where "
        "you had it from before you pass the folder on."
    )
