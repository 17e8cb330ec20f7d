"""Child processes that are stopped in order and never outlive the process that started them."""

from local_stack.processes.managed import ManagedProcess, ProcessDiedError

__all__ = ["ManagedProcess", "ProcessDiedError"]
