"""Reports from a store: what matched, what is flagged, and what was not looked at.

``report(store, ReportOptions(...))`` gives a :class:`Report`; ``render`` turns it into text.
"""

from hivescan.report.model import Report
from hivescan.report.options import Format, ReportOptions
from hivescan.report.render import render
from hivescan.report.report import report

__all__ = ["Format", "Report", "ReportOptions", "render", "report"]
