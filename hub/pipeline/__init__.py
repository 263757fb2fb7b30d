"""What every conversion goes through: plan, copy, verify, move into place, report."""

from hub.pipeline._convert import Failed, Unfinished, convert
from hub.pipeline._copy import Budget, Copier, Progress, Silent, default_budget, each
from hub.pipeline._encode import Rule, encoded, matches
from hub.pipeline._interrupts import interrupted_once
from hub.pipeline._journal import Journal, resumable
from hub.pipeline._leftovers import leftovers
from hub.pipeline._prepare import Request, choose_format
from hub.pipeline._report import Report, Side, TensorLine
from hub.pipeline._shares import Piece, Share, cut, grain, numbers
from hub.pipeline._sink import Target
from hub.pipeline._verify import Verification, planned_changes, verify
from hub.pipeline._whole import write_whole

__all__ = [
    "Budget",
    "Copier",
    "Failed",
    "Journal",
    "Piece",
    "Progress",
    "Report",
    "Request",
    "Rule",
    "Share",
    "Side",
    "Silent",
    "Target",
    "TensorLine",
    "Unfinished",
    "Verification",
    "choose_format",
    "convert",
    "cut",
    "default_budget",
    "each",
    "encoded",
    "grain",
    "interrupted_once",
    "leftovers",
    "matches",
    "numbers",
    "planned_changes",
    "resumable",
    "verify",
    "write_whole",
]
