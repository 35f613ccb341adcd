"""Runs: data sets x systems x metrics, resumable, with tables, intervals and a report."""
