"""Say what would be fetched from the archive, and stop."""

from hiss.errors import HissError
from hiss.progress import say
from hiss.script import job
from hiss.sdss.archive import describe_selection

with job(snakemake.log[0]):
    for sentence in describe_selection(**snakemake.params.archive):
        say(sentence)
    raise HissError(
        "the download from the archive is not part of this version; fetch the files with a tool of your own "
        "and set sky.source to 'local' with their folder in sky.local.path"
    )
