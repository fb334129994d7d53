"""Raw SDSS files: readers, object identifiers, manifest, catalogue, and the archive: selection, plan, fetch."""
