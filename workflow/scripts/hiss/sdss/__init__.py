"""Raw SDSS files: readers, object identifiers, paths on the archive, manifest, catalogue."""
