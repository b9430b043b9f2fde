"""Where the time goes: `with ag.profiler.profile() as p: ...`, then `print(p.table())`."""

from pyautograd.profiler.averages import Averages, ModuleRow, Row
from pyautograd.profiler.events import Event
from pyautograd.profiler.limits import Limits, machine_limits
from pyautograd.profiler.profile import profile, record_function

__all__ = [
    "Averages",
    "Event",
    "Limits",
    "ModuleRow",
    "Row",
    "machine_limits",
    "profile",
    "record_function",
]
