"""The report of an evaluation for people who decide: one HTML file that needs no network."""

from workers.evaluation.report.render import render_report, write_report

__all__ = ["render_report", "write_report"]
