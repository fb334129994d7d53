"""The HiSS-Cube: calibration, zooms, index, links, stacks, and its parallel build."""
