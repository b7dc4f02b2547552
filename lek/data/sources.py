"""Where the cases of a benchmark come from: files of the user, the hub, or shipped files."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lek.benchmarks.benchmark import SHIPPED, Benchmark, CaseSource
from lek.data.cases import make_cases
from lek.data.hub import read_dataset
from lek.data.tables import SUFFIXES, Table, read_table
from lek.errors import BadInput
from lek.profile.loading import LoadedProfile
from lek.records import Case


@dataclass(frozen=True)
class CaseSet:
    """The cases of a benchmark. ``name``: their file or data set, for messages.

    ``facts``: what ``run.json`` says about them.
    """

    name: str
    cases: list[Case]
    facts: dict[str, Any]


def case_source(
    loaded: LoadedProfile, benchmark: Benchmark, directory: Path | None
) -> CaseSource | None:
    """Where the cases of ``benchmark`` are; ``None`` if the data have none.

    In this order: the benchmark's table in the profile; its file in ``directory``; for data of the
    hub, and for a benchmark with files, the place that the benchmark names.
    """
    table = loaded.profile.data.cases.get(benchmark.name)
    if table is not None:
        source = table.source
        if source.path is None:
            return source
        return replace(source, path=str(loaded.relative(source.path)))
    if directory is not None and (file := file_of(benchmark, directory)) is not None:
        return CaseSource(path=str(file))
    own = benchmark.cases
    if own is not None and own.path is not None:  # relative to the working directory, or shipped
        path = loaded.relative(own.path) if own.path.startswith(SHIPPED) else own.path
        return replace(own, path=str(path))
    return own if loaded.profile.data.source == "hub" else None


def file_of(benchmark: Benchmark, directory: Path) -> Path | None:
    """The file in ``directory`` with the cases of ``benchmark``, in the first format found."""
    for suffix in (s + packed for s in SUFFIXES for packed in ("", ".gz")):
        file = directory / f"{benchmark.name}{suffix}"
        if file.is_file():
            return file
    return None


def read_cases(source: CaseSource, benchmark: Benchmark) -> CaseSet:
    """Read the cases of ``benchmark``; raises `BadInput`, with the place, for the first error."""
    if source.dataset is not None:
        table, facts = read_dataset(source)
    else:
        table = read_files(Path(str(source.path)))
        facts = {"file": Path(table.name).name}
    cases = make_cases(table, benchmark, source.columns)
    text = "\n".join(case.to_json() for case in cases)
    digest = hashlib.sha256(text.encode()).hexdigest()
    facts |= {"digest": table.digest, "cases": len(cases), "cases_digest": digest}
    return CaseSet(table.name, cases, facts)


def read_files(path: Path) -> Table:
    """Read one file, or all files of a directory whose suffix names a table, in order."""
    if not path.is_dir():
        return read_table(path)
    tables = [read_table(file) for file in sorted(path.iterdir()) if _is_table(file)]
    if not tables:
        raise BadInput(f"{path}: no file that ends in {', '.join(SUFFIXES)}; add one")
    return _joined(path, tables)


def _is_table(file: Path) -> bool:
    suffixes = [s.lower() for s in file.suffixes if s.lower() != ".gz"]
    return file.is_file() and bool(suffixes) and suffixes[-1] in SUFFIXES


def _joined(path: Path, tables: Sequence[Table]) -> Table:
    """One table of the rows of several, whose places name the file too."""
    rows = [
        replace(row, place=f"{Path(table.name).name}: {row.place}")
        for table in tables
        for row in table.rows
    ]
    torn = next((table for table in tables if table.torn is not None), None)
    if torn is not None:
        raise BadInput(f"{torn.name}: line {torn.torn}: incomplete; complete the line or delete it")
    digest = hashlib.sha256("".join(t.digest for t in tables).encode()).hexdigest()
    return Table(str(path), digest, tuple(rows))
