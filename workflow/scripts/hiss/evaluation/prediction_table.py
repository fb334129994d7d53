"""What the columns of predictions are, in whichever file they end."""

from typing import Final

from hiss.described import Column
from hiss.models.metrics import LABEL_UNIT

KNOWN: Final = {
    "target_id": Column("", "meta.id;meta.main", "Row of the target in the cube"),
    "objid": Column("", "meta.id", "SDSS objID; 0 where the survey has none"),
    "plate": Column("", "meta.id;instr", "Plate of the spectrum that gives the label"),
    "mjd": Column("d", "time.epoch", "MJD of that spectrum"),
    "fiber": Column("", "meta.id;instr", "Fibre of that spectrum"),
    "ra": Column("deg", "pos.eq.ra;meta.main", "Right ascension (ICRS)"),
    "dec": Column("deg", "pos.eq.dec;meta.main", "Declination (ICRS)"),
    "z": Column("", "src.redshift", "Spectroscopic redshift of the cube"),
    "class": Column("", "src.class", "Class by the spectrum; the study learns from galaxies alone"),
    "sn_median": Column("", "stat.snr;stat.median", "Median signal to noise of the spectrum"),
    "truth": Column(LABEL_UNIT, "phys.SFR", "AVG of MPA-JHU's catalogue, where the cube has it"),
    "truth_p16": Column(LABEL_UNIT, "phys.SFR;stat.percentile", "16th percentile of the catalogue's distribution"),
    "truth_p84": Column(LABEL_UNIT, "phys.SFR;stat.percentile", "84th percentile of the catalogue's distribution"),
    "prediction": Column(LABEL_UNIT, "phys.SFR", "Predicted log10 of the star formation rate"),
    "low": Column(LABEL_UNIT, "phys.SFR;stat.min", "Lower end of the prediction interval"),
    "high": Column(LABEL_UNIT, "phys.SFR;stat.max", "Upper end of the prediction interval"),
    "method": Column("", "meta.note", "What the interval was made of: residuals or quantiles"),
    "side": Column("", "meta.note", "Side of the run's split that holds the object, see the docs"),
    "fold": Column("", "meta.number", "Fold that held a training object out; null elsewhere"),
    "flag": Column("", "meta.code.qual", "FLAG of MPA-JHU's catalogue; 0: the estimate is well"),
    "multi_object": Column("", "meta.code.qual", "Several sources in the cutout, by the thesis's threshold"),
    "spectrum_gap": Column("", "meta.code.qual", "Flux is missing in the spectrum, at whichever zoom"),
    "refused_image": Column("", "meta.code.qual", "The epochs of the images disagree; one stands alone"),
    "refused_spectrum": Column("", "meta.code.qual", "The object's spectra disagree; one stands alone"),
    "model": Column("", "meta.id", "Model that predicts"),
    "modality": Column("", "meta.note", "What the model looks at"),
    "zoom": Column("", "meta.number", "Zoom of the images and spectra; 0 is the finest"),
    "reason": Column("", "meta.note", "Why there is no prediction; empty where there is one"),
}
"""Every column of a table of predictions, by its name."""


def columns_of(*names: str) -> dict[str, Column]:
    """Return what some of the columns are, in the order of the names."""
    return {name: KNOWN[name] for name in names}


COLUMNS: Final = columns_of(
    "target_id", "objid", "ra", "dec", "z", "class", "prediction", "low", "high", "method", "truth", "side", "reason"
)  # fmt: skip
"""Columns of what a run says of another cube, in their order."""
