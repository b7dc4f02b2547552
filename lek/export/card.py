"""A model card for the Hugging Face hub: the results of one subject, as metadata and as text."""

from collections.abc import Iterator
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from lek.errors import BadInput, suggestion
from lek.export.markdown import json_block, literal, one_line, table
from lek.export.rulings import rulings
from lek.records import Metric
from lek.report.differences import Difference, baseline_of, differences
from lek.report.terminal import is_llm, judge_text, share_text, value_text
from lek.runs.run import Run


def subject_of(run: Run, name: str | None = None) -> str:
    """The subject ``name`` of ``run``; by default the only one besides the baseline.

    Raises `BadInput` if there is none of that name, or if there are several.
    """
    subjects = list(dict.fromkeys(metric.subject for metric in run.metrics))
    if name is not None:
        if name not in subjects:
            hint = suggestion(name, subjects) or f"; the run has {', '.join(subjects)}"
            raise BadInput(f"--subject {name}: no such subject{hint}")
        return name
    candidates = [s for s in subjects if s != baseline_of(run)] or subjects
    if len(candidates) != 1:
        listed = ", ".join(candidates) or "none"
        raise BadInput(f"name the subject of the card with --subject; the run has {listed}")
    return candidates[0]


def model_card(run: Run, subject: str) -> str:
    """The model card of ``subject``: front matter with ``model-index``, and a text in Markdown.

    Texts of the run have no effect as YAML, Markdown or HTML.
    """
    card = _Card(run, subject)
    return str(ModelCard(f"---\n{card.data().to_yaml()}\n---\n\n" + "\n".join(card.lines())))


class _Card:
    def __init__(self, run: Run, subject: str) -> None:
        self._run, self._subject = run, subject
        self._metrics = [metric for metric in run.metrics if metric.subject == subject]
        subjects: list[dict[str, Any]] = run.facts["subjects"]
        self._facts = next((s for s in subjects if s["name"] == subject), {})
        self._origins = _origins(run, subject)

    def data(self) -> ModelCardData:
        """The metadata in the front matter."""
        built = bool(self._facts.get("build"))
        results = [self._result(m) for m in self._metrics if m.value is not None]
        return ModelCardData(
            language="en",
            library_name="mlx" if built else None,
            pipeline_tag="text-generation",
            base_model=self._base_model(),
            tags=["lem", *(["mlx"] if built else [])],
            model_name=one_line(self._subject),
            eval_results=results,
        )

    def lines(self) -> Iterator[str]:
        """The text of the card."""
        yield f"# {literal(self._subject)}"
        yield from ("", self._introduction())
        gates = rulings(self._run, self._subject)
        if gates:
            yield from ("", "## Claims", "", *gates)
        yield from ("", "## Results", "", *self._results())
        yield from ("", "## How it was judged", "", *self._judging())
        yield from ("", "## How it was built", "", *self._building())
        yield from ("", "## Limits of these numbers", "", *self._limits(), "")

    def _result(self, metric: Metric) -> EvalResult:
        data = self._data_set(metric.benchmark)
        # a file is not named after the benchmark, which may be the name of a data set on the hub
        name = data.get("dataset") or data.get("file") or metric.benchmark
        scale = self._run.measure(metric).scale
        return EvalResult(
            task_type="text-generation",
            dataset_type=one_line(name),
            dataset_name=one_line(name),
            **{
                f"dataset_{key}": one_line(data[key])
                for key in ("config", "split", "revision")
                if data.get(key) is not None
            },
            metric_type=one_line(metric.measure),
            metric_name=one_line(
                f"{metric.benchmark}.{metric.measure} on a scale of {scale}, n = {metric.n}"
            ),
            metric_value=metric.value,
        )

    def _data_set(self, benchmark: str) -> dict[str, Any]:
        """Where the cases of ``benchmark`` come from; runs of early versions do not say it."""
        sets: dict[str, dict[str, Any]] = self._run.facts["data"].get("sets", {})
        return sets.get(benchmark, {})

    def _base_model(self) -> str | None:
        """The name on the hub of the model that the subject is made from, if it is from there."""
        model = self._origins[-1].get("model")
        return model if isinstance(model, str) and _is_hub_name(model) else None

    def _introduction(self) -> str:
        facts, profile = self._run.facts, self._run.facts["profile"]
        text = (
            f"Evaluated with the LEM evaluation harness (lek {literal(facts['versions']['lek'])})"
        )
        text += f" at {literal(facts['finished'])}"
        if commit := facts.get("commit"):
            text += f", commit {literal(str(commit)[:9])}"
            text += " with uncommitted changes" if facts.get("dirty") else ""
        text += f", profile {literal(profile['name'])}"
        description = profile["content"].get("description")
        return f"{text}: {literal(description)}" if description else f"{text}."

    def _results(self) -> Iterator[str]:
        compared = {
            (d.benchmark, d.measure.name): d
            for d in differences(self._run)
            if d.subject == self._subject
        }
        header = ["benchmark", "measure", "scale", "mean [95% interval]", "n", "unscored"]
        if compared:
            header.insert(4, f"difference from {baseline_of(self._run)}")
        yield from table(header, (self._row(metric, compared) for metric in self._metrics))

    def _row(self, metric: Metric, compared: dict[tuple[str, str], Difference]) -> list[str]:
        measure = self._run.measure(metric)
        cells = [metric.benchmark, metric.measure, str(measure.scale), value_text(metric, measure)]
        if compared:
            difference = compared.get((metric.benchmark, metric.measure))
            cells.append(f"{difference.text} {difference.unit}" if difference else "")
        return [*cells, str(metric.n), str(metric.unscored)]

    def _judging(self) -> list[str]:
        """A table of the judges, with the cases on which they judged."""
        rows = [
            [benchmark, self._cases(benchmark), measures, judge, digest]
            for benchmark, measures, judge, digest in self._judges()
        ]
        return table(["benchmark", "cases", "measures", "judge", "digest"], rows)

    def _judges(self) -> Iterator[tuple[str, str, str, str]]:
        for benchmark, protocol in self._run.facts["protocol"].items():
            measured = [m.measure for m in self._metrics if m.benchmark == benchmark]
            for kind, settings in protocol.items():
                names = [n for n in measured if n in settings.get("measures", measured)]
                if names:
                    digest = (settings.get("digest") or "")[:12]
                    yield benchmark, ", ".join(names), judge_text(kind, settings), digest

    def _cases(self, benchmark: str) -> str:
        data = self._data_set(benchmark)
        if "dataset" not in data:
            return str(data.get("file", ""))
        place = "/".join(filter(None, (data.get("config"), data.get("split"))))
        return f"{data['dataset']} {place} {(data.get('revision') or '')[:12]}".strip()

    def _building(self) -> Iterator[str]:
        facts, recipe = self._facts, self._facts.get("recipe", {})
        if "recorded" in recipe:
            name = literal(recipe["recorded"])
            yield f"Its answers were recorded earlier, as those of {name}; no model was used."
            return
        if "server" in facts:
            yield f"It was asked through an API, as {literal(facts['server']['model'])}."
        elif "form" in facts:
            made = "Built by the harness" if facts["build"] else "Used unchanged"
            yield f"{made}, in {literal(facts['form'])}. The licence of the source model applies."
            yield f"Fingerprint: {literal(facts['fingerprint'])}"
        yield from ("", "The recipe, from the last step to the first:", "")
        yield from json_block([*map(_recipe, self._origins)])
        record = facts.get("build") or {}
        measured = {k: record[k] for k in ("lora", "adapter", "abliteration") if k in record}
        if measured:
            yield from ("", "What was measured when it was built:", "", *json_block(measured))

    def _limits(self) -> Iterator[str]:
        facts = self._run.facts
        sizes = sorted({metric.n for metric in self._metrics})
        count = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        yield (
            f"- The intervals are about the choice of cases, of which there are {count} per "
            "measure. They do not cover another training run, another seed or other prompts."
        )
        if facts["data"].get("limit"):
            yield f"- Only the first {facts['data']['limit']} cases of each benchmark were used."
        if facts["counts"]["evaluated"] < facts["counts"]["planned"]:
            yield f"- The run is incomplete: {share_text(self._run)}."
        if facts["counts"]["pending"]:
            yield f"- {facts['counts']['pending']} answers of the run could not be judged."
        unscored = max(metric.unscored for metric in self._metrics)
        if unscored:
            yield f"- Means leave out unscored cases, at most {unscored} per measure."
        kinds = {kind for p in facts["protocol"].values() for kind in p}
        if any(map(is_llm, kinds)):
            yield "- A language model judged; its errors are part of the scores."
        if "recorded" in kinds:
            yield "- Verdicts were recorded earlier; this run cannot tell how they came about."
        if "reference" in kinds:
            yield (
                "- Scores by reference answers say how near an answer is to a known one, not how "
                "good it is."
            )


def _origins(run: Run, subject: str) -> list[dict[str, Any]]:
    """The settings of ``subject`` in the profile, and of those that it is made from, in turn."""
    profile: list[dict[str, Any]] = run.facts["profile"]["content"].get("subjects", [])
    by_name = {settings["name"]: settings for settings in profile}
    origins = [by_name.pop(subject, {"name": subject})]
    while (origin := by_name.pop(origins[-1].get("from"), None)) is not None:
        origins.append(origin)
    return origins


def _recipe(settings: dict[str, Any]) -> dict[str, Any]:
    """The ``settings`` of a subject, without those of the connection to a server."""
    recipe = {key: value for key, value in settings.items() if value is not None}
    if "openai" in recipe:
        recipe["openai"] = {"model": recipe["openai"]["model"]}
    return recipe


def _is_hub_name(model: str) -> bool:
    try:
        validate_repo_id(model)
    except HFValidationError:
        return False
    return model.count("/") == 1 and not model.startswith((".", "/", "~"))
