"""What the numbers of the study mean, and what they do not: said once, printed wherever they are shown."""

from typing import Final

_DEX: Final = (
    "RMSE, MAE and NMAD are in dex of the star formation rate. Two models can be told apart where the interval of "
    "their paired difference does not hold 0."
)
_CEILING: Final = (
    "The ceiling beside R2 is 1 - <sigma^2> / Var(AVG), with sigma half the width from P16 to P84 of each label: what "
    "could be reached if each label erred by its own width, independently of the images and the spectra."
)

_OF_MPA_JHU: Final = (
    "AVG was not measured independently of what the models see. MPA-JHU derived it from these very spectra, which give "
    "the star formation rate within the fibre, and from the SDSS magnitudes of the same galaxies, which give that of "
    "the light outside it. R2 therefore says how well a model emulates MPA-JHU's estimate, not how well it knows the "
    "true star formation rate.",
    "Part of what fusion gains is by construction: where the spectrum has lines to tell it, the rate behind AVG is the "
    "sum of a term from the spectrum and one from the magnitudes, so that neither modality holds all that went into "
    "it.",
    _CEILING + " MPA-JHU's labels share their data with the models: a model that repeats the derivation may pass the "
    "ceiling, and that would not be knowledge of the true rate, nor proof of a leak.",
    _DEX,
)
_OF_THE_SIMULATED_SKY: Final = (
    "AVG is the known log SFR of each simulated galaxy with noise drawn for it, in place of MPA-JHU's estimate; "
    "nothing of it was derived from the spectra or magnitudes. R2 therefore says how well a model finds that rate in "
    "what was simulated of the galaxy, and nothing of real ones.",
    "Part of what fusion gains is by construction: simulated spectra are of the light within the fibre, and simulated "
    "images have no lines to be resolved, so that neither modality holds all that tells the rate.",
    _CEILING + " The labels of the simulated sky err independently of them, but by less than half their width, so that "
    "the ceiling may be passed, which is no proof of a leak.",
    _DEX,
)


def r2_meaning(sky: str) -> tuple[str, ...]:
    """Return what R2 means on a sky of a kind (simulated, local, archive or existing), a paragraph an entry."""
    return _OF_THE_SIMULATED_SKY if sky == "simulated" else _OF_MPA_JHU


COVERAGE_MEANING: Final = (
    "A prediction interval is to hold the label AVG, not the true star formation rate, of the stated share of galaxies "
    "like those of the sample, counted over all of them.",
    "It promises nothing for the galaxies of a given AVG: where few have such a rate, predictions lean towards the "
    "others, and fewer intervals hold. The coverage by bins of AVG shows how much.",
    "It is made of errors on training objects, each predicted by a model that did not see its fold, and stands around "
    "the model fitted on all of them; so the promise is approximate, and its coverage is measured on the test set.",
)
"""What the coverage of prediction intervals means, a paragraph an entry."""
