"""From the cube to a clean sample: export, gaps, multi-object cutouts, ledger, split."""
