"""Audits: scan, match and report from one file, as a timer runs them.

``run_audit("audit.toml")`` gives an :class:`AuditSummary`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hivescan.audit.config import AuditConfig, example, load_config
    from hivescan.audit.run import AuditCheck, AuditSummary, check_audit, run_audit

__all__ = ["AuditCheck", "AuditConfig", "AuditSummary", "check_audit", "example", "load_config", "run_audit"]

_IN_CONFIG = ("AuditConfig", "example", "load_config")


def __getattr__(name: str) -> Any:
    """Loaded when it is asked for: who matches one file waits for no scan and no report to load."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "config" if name in _IN_CONFIG else "run"
    return getattr(import_module(f"{__name__}.{module}"), name)
