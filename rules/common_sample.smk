# Functions about the choices of each sample: what is done with neighbours and with gaps.
from hiss.sample.choice import Treatment

SEGMENTATION = settings.sample.multi_object.segmentation.model_dump()


def _choice(wildcards):
    """The choice of wildcards.sample; the study's own where there is no such wildcard."""
    sample = wildcards.get("sample", SAMPLE)
    if sample not in SAMPLES:
        raise WorkflowError(f"{sample} is no sample of the config; it has {', '.join(SAMPLES)}")
    return SAMPLES[sample]


def sources_table(wildcards):
    """An input function: what segmentation found, where the sample asks for it."""
    return results("sample/sources.parquet") if _choice(wildcards)["detector"] == "segmentation" else []


def _treatment(wildcards):
    """What is done to the arrays of a sample; spectra of a further target have all their gaps bridged."""
    if (target := TARGETS.get(wildcards.get("sample"))) is not None:
        return Treatment.bridging(target.max_missing)
    return Treatment.of_choice(_choice(wildcards), SEGMENTATION)


def treatment(wildcards):
    """A params function: what the sample's choice does to its arrays; None where they stay as they are."""
    return None if _treatment(wildcards).leaves_all else _treatment(wildcards).as_dict()


def treated_arrays(wildcards):
    """An input function: the arrays of zoom 0, where neighbours are taken out or gaps are told short from long."""
    return [] if _treatment(wildcards).leaves_all else arrays_of(wildcards.get("sample", SAMPLE), 0)


def places_of_catalogue():
    """The table of the catalogue that tells places and redshifts of galaxies; none of a cube made elsewhere."""
    return [] if EXISTING else sfr_tables()["gal_info"]


def neighbours(wildcards):
    """An input function: masks of the neighbours, where they are taken out."""
    return results("sample/neighbours.h5") if _treatment(wildcards).neighbours == "mask" else []
