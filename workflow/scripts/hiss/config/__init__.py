"""The one typed description of config.yaml, known to the Snakefile alone; scripts get the plain values they need."""
