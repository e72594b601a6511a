"""Commands that show what was decided: resolve, plan."""

from __future__ import annotations

from dataclasses import asdict

from specc.cli import console
from specc.cli.options import Json, Overrides, SpecArgument
from specc.diagnostics import as_json
from specc.pipeline import planning
from specc.plan import plan_json, plan_screen
from specc.resolve import as_yaml, document, implied


def resolve(spec: SpecArgument, overrides: Overrides = None, json: Json = False) -> None:
    """Print the spec with every value decided.

    The output is YAML and itself a spec. Comments say where each value came from: the user, a preset, a default or a
    derivation with its reason, or the planner.
    """
    resolved = planning.decided(spec, overrides or ()).resolved
    if json:
        console.write_json(
            {
                "spec": document(resolved),
                "implied": implied(resolved),
                "origins": {path: asdict(origin) for path, origin in resolved.origins.items()},
                "diagnostics": [as_json(warning) for warning in resolved.warnings],
            }
        )
        return
    console.report(resolved.warnings)
    console.write(as_yaml(resolved))


def plan(spec: SpecArgument, overrides: Overrides = None, json: Json = False) -> None:
    """Show what fits, how fast it trains, what it costs, and why.

    The numbers come from the spec's `cluster`, or from one device of the default kind; nothing is read from the
    machine that this runs on. A plan that does not fit exits with 0 and says so.
    """
    decided = planning.decided(spec, overrides or ())
    if json:
        console.write_json(plan_json(decided))
        return
    console.report(decided.resolved.warnings)
    console.say(plan_screen(decided).rstrip("\n"))
