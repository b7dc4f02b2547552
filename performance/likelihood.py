"""Compare the likelihoods of TruthfulQA's choices, and the time they take, with mlx_lm.evaluate.

    python performance/likelihood.py MODEL DATA [--limit N] [--chat]

MODEL is a model directory (of a GGUF file: `lek build SUBJECT --out MODEL`), DATA the file of
truthfulqa/truthful_qa, configuration multiple_choice, or one with the same columns. Both ways
compute mc1 and mc2 of the first N questions (default 100) with the same weights in one process:
the harness, and the tasks truthfulqa_mc1 and truthfulqa_mc2 of lm-evaluation-harness with the model
class of mlx_lm.evaluate, pointed at DATA. Needs `pip install lm-eval`.

mc1 must be equal, mc2 differ by at most 0.001 on each question, and the harness be at least 3 times
as fast; otherwise the exit code is 3.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lek.benchmarks.benchmark import shipped
from lek.data.cases import make_cases
from lek.data.tables import read_table
from lek.generation.generator import Generator
from lek.generation.responses import SubjectResponses
from lek.judges.likelihood import likelihood
from lek.models.machine import import_mlx_lm, missing
from lek.profile.loading import load as load_profile
from lek.records import Case
from lek.workspace.progress import Silent
from lek.workspace.workspace import Workspace

BENCHMARK = "truthfulqa_mc"
DIFFERENCE, RATIO = 1e-3, 3.0
Scores = list[tuple[float, float]]  # mc1 and mc2 of each question


def main() -> int:
    """Measure and print a table; return 0 if the bounds hold, else 3."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("model", type=Path)
    options.add_argument("data", type=Path)
    options.add_argument("--limit", type=int, default=100)
    options.add_argument("--chat", action="store_true")
    given = options.parse_args()
    print(missing() or "OpenBLAS or a GPU is in use")
    import_mlx_lm()  # after OpenBLAS, which then serves both ways
    benchmark = shipped()[BENCHMARK]
    assert benchmark.cases is not None
    cases = make_cases(read_table(given.data), benchmark, benchmark.cases.columns)[: given.limit]
    ours, seconds = harness(given.model, cases, chat=given.chat)
    theirs, their_seconds = reference(given.model, given.data, len(cases), chat=given.chat)
    print(f"{len(cases)} questions, {'chat template' if given.chat else 'plain text'}")
    for name, scores, took in (
        ("harness", ours, seconds),
        ("mlx_lm.evaluate", theirs, their_seconds),
    ):
        mc1, mc2 = (sum(column) / len(scores) for column in zip(*scores, strict=True))
        print(f"{name:16} mc1 {mc1:6.2%}  mc2 {mc2:8.4%}  {took:8.1f} s")
    unequal = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True), 1) if a[0] != b[0]]
    largest = max(abs(a[1] - b[1]) for a, b in zip(ours, theirs, strict=True))
    ratio = their_seconds / seconds
    print(f"mc1 differs on {len(unequal)} questions{f': {unequal}' if unequal else ''}")
    print(f"largest difference of mc2: {largest:.1e} (bound {DIFFERENCE:g})")
    print(f"mlx_lm.evaluate / harness: {ratio:.1f} (bound {RATIO:g})")
    return 0 if not unequal and largest <= DIFFERENCE and ratio >= RATIO else 3


def harness(model: Path, cases: list[Case], *, chat: bool) -> tuple[Scores, float]:
    """The scores by the harness, and the seconds for loading and computing."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "p.toml"
        path.write_text(
            f'[data]\nsource = "path"\ndir = "."\nbenchmarks = ["{BENCHMARK}"]\n'
            f"[choices]\nchat = {str(chat).lower()}\n[decoding]\ndtype = 'float32'\n"
            f"[[subjects]]\nname = 'base'\nmodel = {json.dumps(str(model.resolve()))}\n"
        )
        loaded = load_profile(path)
        generator: Generator = SubjectResponses(
            loaded, None, Workspace(Path(home), Silent())
        ).generator
        start = time.perf_counter()
        responses = generator.respond(loaded.profile.asked[0], cases)
        seconds = time.perf_counter() - start
    scores: Scores = []
    for case in cases:
        measures = [m for m in shipped()[BENCHMARK].measures if m.applies_to(case.reference)]
        found = likelihood(case, responses[case.id], measures).scores
        mc1, mc2 = found["mc1"], found["mc2"]
        assert mc1 is not None and mc2 is not None
        scores.append((mc1, mc2))
    return scores, seconds


def reference(model: Path, data: Path, count: int, *, chat: bool) -> tuple[Scores, float]:
    """The scores by lm-evaluation-harness and mlx_lm, and the seconds that they took."""
    import lm_eval
    import yaml
    from lm_eval.tasks import TaskManager
    from mlx_lm.evaluate import MLXLM

    tasks = Path(lm_eval.__file__).parent / "tasks" / "truthfulqa"
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for name in ("truthfulqa_mc1", "truthfulqa_mc2"):
            text = (tasks / "truthfulqa_mc1.yaml").read_text()
            task = yaml.safe_load(text)
            task |= {
                "task": f"local_{name}",
                "tag": [],
                "dataset_path": data.suffix.lstrip(".").replace("jsonl", "json"),
                "dataset_name": None,
                "dataset_kwargs": {"data_files": {"validation": str(data.resolve())}},
            }
            if name.endswith("mc2"):
                task["doc_to_choice"] = "{{mc2_targets.choices}}"
                task["process_results"] = "FUNCTION"
                (Path(folder) / "utils.py").write_text((tasks / "utils.py").read_text())
            written = yaml.safe_dump(task).replace(
                "process_results: FUNCTION",
                "process_results: !function utils.process_results_mc2",
            )
            (Path(folder) / f"local_{name}.yaml").write_text(written)
            names.append(f"local_{name}")
        manager = TaskManager(include_path=folder, include_defaults=False)
        start = time.perf_counter()
        lm = MLXLM(str(model), use_chat_template=chat)
        done: Any = lm_eval.simple_evaluate(
            model=lm,
            tasks=names,
            apply_chat_template=chat,
            limit=count,
            task_manager=manager,
            log_samples=True,
            bootstrap_iters=0,
        )
        seconds = time.perf_counter() - start
    columns = [
        [sample["acc"] for sample in sorted(done["samples"][name], key=lambda s: s["doc_id"])]
        for name in names
    ]
    return list(zip(*columns, strict=True)), seconds


if __name__ == "__main__":
    sys.exit(main())
