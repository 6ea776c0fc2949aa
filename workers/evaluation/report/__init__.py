"""The evaluation report for decision makers: one HTML file that needs no network."""

from workers.evaluation.report.render import render_report, write_report

__all__ = ["render_report", "write_report"]
