"""The simulated sky: galaxies, stars and quasars of known truth in the file formats of SDSS."""
