"""Child processes that are stopped in order and never outlive the process that started them."""

from local_stack.processes.managed import ManagedProcess, OnScreen, ProcessDiedError
from local_stack.processes.supervised import GaveUpError, SupervisedProcess

__all__ = ["GaveUpError", "ManagedProcess", "OnScreen", "ProcessDiedError", "SupervisedProcess"]
