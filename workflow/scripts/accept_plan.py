"""Stop where the plan asks for more than its user has accepted."""

from hiss.errors import HissError
from hiss.files import read_json, write_json
from hiss.progress import say
from hiss.script import job
from hiss.sdss.planning import accept_sentence, is_accepted

with job(snakemake.log[0]):
    size, accepted = read_json(snakemake.input.plan)["files"]["bytes"], snakemake.resources.accept_mb / 1000
    sentence = accept_sentence(size, accepted)
    if not is_accepted(size, accepted):
        raise HissError(f"{snakemake.input.plan}: {sentence}")
    write_json(snakemake.output.accepted, {"bytes": size, "accept_gb": accepted})
    say(sentence)
