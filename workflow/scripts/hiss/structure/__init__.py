"""Structure without labels: what images and spectra tell of each other before any label is looked at."""
