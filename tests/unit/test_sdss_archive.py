"""The archive's addresses of frames, spectra, lists and catalogues, as the survey documents them."""

import pandas as pd
import pytest
from astropy.io import fits
from simulated_archive import write_plate_list

from hiss.errors import HissError
from hiss.sdss import archive
from hiss.sdss.plates import read_plate_list, reductions


@pytest.mark.parametrize(
    ("release", "ids", "path"),
    [
        (
            "dr17",
            (2820, 3, 122, "u"),
            "dr17/eboss/photoObj/frames/301/2820/3/frame-u-002820-3-0122.fits.bz2",
        ),
        ("dr17", (94, 1, 11, "z"), "dr17/eboss/photoObj/frames/301/94/1/frame-z-000094-1-0011.fits.bz2"),
        ("dr17", (8162, 6, 80, "g"), "dr17/eboss/photoObj/frames/301/8162/6/frame-g-008162-6-0080.fits.bz2"),
        ("dr12", (4263, 4, 1000, "r"), "dr12/boss/photoObj/frames/301/4263/4/frame-r-004263-4-1000.fits.bz2"),
    ],
)
def test_frames_of_old_and_new_runs(release, ids, path):
    assert archive.frame_path(release, *ids) == path


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("dr17", 266, 51602, 1), "dr17/sdss/spectro/redux/26/spectra/0266/spec-0266-51602-0001.fits"),
        (
            ("dr17", 266, 51602, 1, None, "lite"),
            "dr17/sdss/spectro/redux/26/spectra/lite/0266/spec-0266-51602-0001.fits",
        ),
        (("dr17", 1960, 53289, 640, "103"), "dr17/sdss/spectro/redux/103/spectra/1960/spec-1960-53289-0640.fits"),
        (("dr17", 3126, 54804, 211, "104"), "dr17/sdss/spectro/redux/104/spectra/3126/spec-3126-54804-0211.fits"),
        (
            ("dr17", 4238, 55455, 37),
            "dr17/eboss/spectro/redux/v5_13_2/spectra/full/4238/spec-4238-55455-0037.fits",
        ),
        (
            ("dr17", 10000, 57346, 999, None, "lite"),
            "dr17/eboss/spectro/redux/v5_13_2/spectra/lite/10000/spec-10000-57346-0999.fits",
        ),
        (("dr16", 4238, 55455, 37), "dr16/eboss/spectro/redux/v5_13_0/spectra/full/4238/spec-4238-55455-0037.fits"),
        (("dr12", 3655, 55240, 40), "dr12/boss/spectro/redux/v5_7_0/spectra/3655/spec-3655-55240-0040.fits"),
        (
            ("dr12", 3655, 55240, 40, None, "lite"),
            "dr12/boss/spectro/redux/v5_7_0/spectra/lite/3655/spec-3655-55240-0040.fits",
        ),
    ],
)  # fmt: skip
def test_spectra_of_the_legacy_segue_and_boss_surveys(arguments, path):
    assert archive.spectrum_path(*arguments) == path


def test_the_survey_s_lists_and_the_catalogues():
    assert archive.field_list_path("dr17") == "dr17/eboss/resolve/2013-07-29/window_flist.fits"
    assert archive.plate_list_path("dr16") == "dr16/sdss/spectro/redux/plates-dr16.fits"
    assert archive.catalogue_addresses("dr7", "https://b/")["gal_info"] == "https://b/gal_info_dr7_v5_2.fit.gz"
    assert archive.catalogue_addresses("dr7")["gal_totsfr"] == (
        "https://wwwmpa.mpa-garching.mpg.de/SDSS/DR7/Data/gal_totsfr_dr7_v5_2.fits.gz"
    )
    assert archive.catalogue_addresses("dr8")["gal_totsfr"].endswith("/galSpecExtra-dr8.fits")
    assert archive.address("https://a/sas/", "dr17/x") == "https://a/sas/dr17/x"


def test_a_reduction_or_release_that_is_none_is_named():
    with pytest.raises(HissError, match="none of 26, 103, 104"):
        archive.spectrum_path("dr17", 3126, 54804, 211, run2d="27")
    with pytest.raises(HissError, match="'dr99' is not known; name one of dr17, dr16, dr12"):
        archive.frame_path("dr99", 1, 1, 1, "u")


def test_the_list_of_plates_says_the_reduction(tmp_path):
    path = tmp_path / "plates-dr17.fits"
    write_plate_list(path, [(266, 51602), (4238, 55455)])
    with fits.open(path, mode="update") as file:
        file[1].data["RUN2D"][0] = "103"
    plates = read_plate_list(path)
    objects = pd.DataFrame({"plate": [266, 266, 4238, 266], "mjd": [51602, 51630, 55455, 51602]})
    objects["run2d"] = ["", "", "", "104"]
    assert reductions(objects, plates).tolist() == ["103", "", "v5_13_2", "104"]
    assert reductions(objects, None).tolist() == ["", "", "", "104"]
