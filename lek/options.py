"""The options of the command line, all of which begin with ``--lek-``."""

from pathlib import Path
from typing import Any


def add_options(parser: Any) -> None:
    """Add them to pytest's ``parser``."""
    group = parser.getgroup("lek", "LEM evaluation")
    group.addoption(
        "--lek-profile", metavar="NAME", help="profile: evals/profiles/NAME.toml or path"
    )
    group.addoption("--lek-data", metavar="DIR", type=Path, help="where the profile's data lie")
    group.addoption(
        "--lek-judge", metavar="KIND", help="the judge of every benchmark that is not exact"
    )
    group.addoption(
        "--lek-max-judge-calls", metavar="N", type=int, help="stop judging after N requests"
    )
    group.addoption(
        "--lek-dry-run",
        action="store_true",
        help="generate and judge nothing; say what is missing, and what it would cost",
    )
    group.addoption("--lek-limit", metavar="N", type=int, help="the first N cases per benchmark")
    group.addoption("--lek-out", metavar="DIR", type=Path, help="where the run is written")
    group.addoption(
        "--lek-fresh",
        action="store_true",
        help="generate and judge every answer anew; what is stored is kept, but not used",
    )
    group.addoption(
        "--lek-no-gates",
        action="store_true",
        help="rule the gates and show them, but leave the exit code to the tests",
    )
    parser.addini("lek_profile", "the profile that is used without --lek-profile")
