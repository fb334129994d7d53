"""Metrics, selection and comparison of runs."""
