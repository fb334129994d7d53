"""The library of the HiSS-Cube workflow: floors that import downwards only (docs/architecture.md)."""
