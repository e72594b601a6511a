"""Every number of a model and its training: sizes, memory, time, cost. Closes what a spec leaves to `auto`."""

from specc.plan.planner import plan
from specc.plan.report import plan_json
from specc.plan.screen import plan_screen
from specc.plan.values import Decided

__all__ = ["Decided", "plan", "plan_json", "plan_screen"]
