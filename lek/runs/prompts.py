"""The rendered prompts of a run: what each subject got for each case, chat template applied.

Most prompts of a subject differ only by the prompt of the case, so a prompt is stored as a
template: the text before the prompt of the case and the text after it, or the whole text.
"""

from collections.abc import Mapping, Sequence

import msgspec

from lek.records import Case


class RenderedPrompts(msgspec.Struct, frozen=True):
    """Those of one subject and one benchmark.

    ``templates``: the different ones. ``cases``: by case id, the number of its template.
    """

    templates: tuple[tuple[str, ...], ...]
    cases: dict[str, int]

    def __post_init__(self) -> None:
        if not all(1 <= len(template) <= 2 for template in self.templates):
            raise ValueError("a template of a prompt has one or two parts")
        if not all(0 <= number < len(self.templates) for number in self.cases.values()):
            raise ValueError("a rendered prompt has a template that does not exist")

    @classmethod
    def of(cls, cases: Sequence[Case], rendered: Mapping[str, str]) -> "RenderedPrompts":
        """The prompts of ``cases``, whose texts are in ``rendered`` by case id, where known."""
        numbers: dict[tuple[str, ...], int] = {}
        by_case = {
            case.id: numbers.setdefault(_template(case.prompt, rendered[case.id]), len(numbers))
            for case in cases
            if case.id in rendered
        }
        return cls(tuple(numbers), by_case)

    def text(self, case: Case) -> str | None:
        """The rendered prompt of ``case``; ``None`` if it is unknown."""
        number = self.cases.get(case.id)
        return None if number is None else case.prompt.join(self.templates[number])


def _template(prompt: str, rendered: str) -> tuple[str, ...]:
    if not prompt or prompt not in rendered:
        return (rendered,)
    before, _, after = rendered.partition(prompt)
    return (before, after)
