# Functions about the studies beside the main one; rules hold none.

STRUCTURE = settings.side_studies.structure


def structure_files(suffix):
    """What every job of the study of structure writes with that suffix; none where it is switched off."""
    if STRUCTURE is None:
        return []
    return [
        results(f"structure/{modality}/zoom{zoom}.{suffix}")
        for modality in STRUCTURE.modalities
        for zoom in sorted(STRUCTURE.zooms)
    ]


def structure_tables():
    """The tables of the study of structure as the report takes them, sentences first; none where it is switched off."""
    names = ("answers.json", "scores.csv", "survival.csv", "outliers.csv") if STRUCTURE else ()
    return [results(f"structure/{name}") for name in names]


def structure_figures():
    """The figures of the study of structure, by name."""
    if STRUCTURE is None:
        return []
    return [*(f"fig_structure_{modality}" for modality in STRUCTURE.modalities), "fig_structure_scores", "fig_outliers"]


def structure_memory(wildcards, attempt):
    """Memory of a job of the study of structure [MB]: its features four times, and all pairs of objects."""
    n = STRUCTURE.max_objects
    row_mb = {"photo": 0.082, "spectra": 0.019, "early": 0.101}[wildcards.modality] / 2 ** int(wildcards.zoom)
    return int((1200 + 4 * n * row_mb + 5 * n**2 * 8e-6) * attempt) + more_with_shards(0)(wildcards, attempt)
