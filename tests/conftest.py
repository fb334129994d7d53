import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repo() -> Path:
    return REPO


@pytest.fixture(scope="session")
def sdss_files() -> Path:
    """The folder of real SDSS files: HISS_SDSS, else ../shared/sdss beside the repository."""
    folder = Path(os.environ.get("HISS_SDSS", REPO.parent / "shared" / "sdss"))
    if not folder.is_dir():
        pytest.fail(f"the real SDSS files are not in {folder}; name their folder in HISS_SDSS")
    return folder
