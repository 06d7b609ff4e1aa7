"""What must hold of every plan, whether it was traced from a function or read from a lock file."""

from gatework.plan.faults.numbers import budget_fault
from gatework.plan.faults.structure import Fault, structure_faults
from gatework.plan.faults.whole import faults

__all__ = ["Fault", "budget_fault", "faults", "structure_faults"]
