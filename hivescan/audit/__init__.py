"""Audits: scan, match and report from one file, as a timer runs them.

``run_audit("audit.toml")`` gives an :class:`AuditSummary`.
"""

from hivescan.audit.config import AuditConfig, example, load_config
from hivescan.audit.run import AuditCheck, AuditSummary, check_audit, run_audit

__all__ = ["AuditCheck", "AuditConfig", "AuditSummary", "check_audit", "example", "load_config", "run_audit"]
