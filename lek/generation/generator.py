"""Generate a subject's responses in batches, reusing stored ones.

All selected cases of a subject and benchmark are requested at once, when the first of them is
needed. Each response is stored as soon as it is complete. One model is in memory at a time.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from datetime import date
from pathlib import Path

from msgspec.structs import replace

from lek.benchmarks.benchmark import Benchmark, ChoicePrompt
from lek.data.kernel import Kernel
from lek.generation.backend import Backend, Chat, Models, Prompt, Question, Request, prompt_of
from lek.models import machine
from lek.models.build import Builder
from lek.profile.schema import AskedSubject, Decoding
from lek.records import Case, Response
from lek.workspace.atomic import exclusive
from lek.workspace.fingerprint import code_digest
from lek.workspace.progress import Progress
from lek.workspace.store import Store, key_of

CODE = (
    "generation/mlx.py",
    "generation/likelihood.py",
    "models/hooks.py",
    "models/chat_template.py",
    "models/corrections.py",
    "models/exponentials.py",
    "models/greedy.py",
    "models/prefix.py",
    "text/thoughts.py",
)  # the files that compute an answer from weights and messages


class ModelSlot:
    """Holds the model of one subject in memory, at most one at a time."""

    code: tuple[str, ...] = CODE

    def __init__(self, builder: Builder, progress: Progress) -> None:
        self.builder, self._progress = builder, progress
        self._loaded: tuple[str, Backend] | None = None
        self._warned = False

    def at_hand(self) -> bool:
        """Whether all models are on this machine."""
        return self.builder.recipes.at_hand()

    def fingerprint(self, subject: str) -> str:
        """Return the fingerprint of ``subject`` without loading its model."""
        return self.builder.recipes.of(subject).fingerprint

    def dated(self, subject: str) -> bool:
        """Whether the chat template of ``subject`` inserts the date."""
        return self.builder.recipes.dated(subject)

    def backend(self, subject: str) -> Backend:
        """Return the model of ``subject``, building it if necessary; another one is unloaded."""
        if self._loaded is None or self._loaded[0] != subject:
            self.unload()
            self._warn_if_slow()
            directory = self.builder.directory(subject)
            from lek.generation.mlx import MlxBackend, free

            free()  # the memory that building it took
            return self.load(subject, MlxBackend.open(directory, self.builder.recipes.form))
        return self._loaded[1]

    def _warn_if_slow(self) -> None:
        warning = machine.missing()
        if warning is not None and not self._warned:
            self._warned = True
            self._progress.say(warning)

    def load(self, subject: str, backend: Backend) -> Backend:
        """Hold ``backend`` as the model of ``subject``, and return it."""
        self._loaded = subject, backend
        return backend

    def unload(self, subject: str | None = None) -> None:
        """Unload the model in memory; with ``subject``, only if it is that subject's."""
        if self._loaded is not None and subject in (None, self._loaded[0]):
            self._loaded = None
            from lek.generation.mlx import free

            free()


OnResponse = Callable[[Case, Response], None]


class Generator:
    """Generates the responses of models, through the store.

    ``locks``: the directory of lock files that keep processes from generating the same responses.
    ``kernel`` returns the ethical kernel; called if a subject is asked under it. ``benchmarks``: by
    name; some ask for the likelihoods of choices. ``chat_choices``: whether these follow a prompt
    in the chat template. ``fresh``: responses of earlier sessions are not reused (`--lek-fresh`).
    """

    def __init__(
        self,
        models: Models,
        store: Store,
        locks: Path,
        decoding: Decoding,
        progress: Progress,
        *,
        kernel: Callable[[], Kernel] | None = None,
        benchmarks: Mapping[str, Benchmark] | None = None,
        chat_choices: bool = False,
        fresh: bool = False,
    ) -> None:
        self.models, self._store, self._locks = models, store, locks
        self.decoding, self._progress, self._fresh = decoding, progress, fresh
        self._kernel = kernel
        self._benchmarks, self._chat_choices = benchmarks or {}, chat_choices

    def respond(
        self,
        subject: AskedSubject,
        cases: Sequence[Case],
        on_response: OnResponse | None = None,
        *,
        part: int = 0,
    ) -> dict[str, Response]:
        """Return the response of ``subject`` to each of ``cases`` (of one benchmark), by case id.

        ``on_response``: called with each case and response as soon as it is complete. ``part``:
        while these are generated, other processes may generate the cases of other parts.
        """
        if not cases:
            return {}
        by_id = {c.id: c for c in cases}
        prompts = {c.id: self.prompt(c, subject) for c in cases}

        def report(name: str, response: Response) -> None:
            if on_response is not None:
                on_response(by_id[name], replace(response, subject=subject.name, case=name))

        what = f"{cases[0].benchmark} part {part + 1}" if part else cases[0].benchmark
        responses = self.ask(subject.name, what, prompts, report)
        return {i: replace(r, subject=subject.name, case=i) for i, r in responses.items()}

    def stored(self, subject: AskedSubject, cases: Sequence[Case]) -> dict[str, Response]:
        """Return the responses in the store, by case id, without loading or fetching a model."""
        if not self.models.at_hand():
            return {}
        prompts = {c.id: self.prompt(c, subject) for c in cases}
        keys = self._keys(subject.name, prompts)
        responses = self._store.get(keys.values(), fresh=self._fresh)
        return {
            i: replace(responses[key], subject=subject.name, case=i)
            for i, key in keys.items()
            if key in responses
        }

    def rendered(self, subject: AskedSubject, cases: Sequence[Case]) -> dict[str, str]:
        """Return the text that the model got for each of ``cases`` with a response in the store.

        By case id. Of a served model it is the messages as JSON.
        """
        if not self.models.at_hand():
            return {}
        keys = self._keys(subject.name, {c.id: self.prompt(c, subject) for c in cases})
        prompts = self._store.prompts(keys.values())
        return {i: prompts[key] for i, key in keys.items() if key in prompts}

    def ask(
        self,
        subject: str,
        what: str,
        prompts: Mapping[str, Prompt],
        on_response: Callable[[str, Response], None] = lambda name, response: None,
    ) -> dict[str, Response]:
        """Return the response of ``subject`` to each of ``prompts``, by the ids of the prompts.

        ``what``: the name of the prompts in progress messages. ``on_response``: called with each
        id and response as soon as it is complete. If another process is generating the same
        responses, this one waits and uses those that the other one stored.
        """
        keys = self._keys(subject, prompts)
        stored = self._store.get(keys.values(), fresh=self._fresh)
        reported = {i for i, key in keys.items() if key in stored}
        for i in reported:
            on_response(i, stored[keys[i]])
        if len(stored) < len(set(keys.values())):
            lock = self._lock(self.models.fingerprint(subject), f"{subject} {what}")
            with self._progress.shown(), lock:
                stored = self._store.get(keys.values(), fresh=self._fresh)
                missing = {k: i for i, k in keys.items() if k not in stored}
                if missing:
                    requests = [Request(i, prompts[i]) for i in missing.values()]
                    generated = self._generate(subject, what, requests, keys, on_response)
                    reported |= generated.keys()
                    stored |= {keys[i]: response for i, response in generated.items()}
        # stored by another process, or generated for another id with the same prompt
        for i in keys.keys() - reported:
            on_response(i, stored[keys[i]])
        return {i: stored[key] for i, key in keys.items()}

    def prompt(self, case: Case, subject: AskedSubject) -> Prompt:
        """Return the prompt of ``case``, with the system message and the kernel of ``subject``."""
        benchmark = self._benchmarks.get(case.benchmark)
        if benchmark is not None and benchmark.likelihood is not None:
            return self._question(case, subject, benchmark, benchmark.likelihood)
        return self._chat(case, subject)

    def _question(
        self, case: Case, subject: AskedSubject, benchmark: Benchmark, form: ChoicePrompt
    ) -> Question:
        """The prompt for the likelihoods of all choices of ``case``."""
        texts: list[str] = []
        for measure in benchmark.measures:
            if measure.choices is not None and measure.applies_to(case.reference):
                true, false = measure.choices.of(case.reference)
                texts += [*true, *false]
        text = form.examples + form.prompt.replace("{prompt}", case.prompt)
        choices = tuple(dict.fromkeys(texts))
        if not self._chat_choices:
            return Question(text, choices, form.choice)
        # the answer to a prompt in the chat template begins without a space
        context = self._chat(replace(case, prompt=text), subject)
        return Question(context, choices, form.choice.strip())

    def _chat(self, case: Case, subject: AskedSubject) -> str | Chat:
        prompt = prompt_of(case, subject.prompt)
        if subject.kernel:
            assert self._kernel is not None  # given with every profile
            prompt = self._kernel().sandwich(case.prompt)
        if subject.system is not None and isinstance(prompt, list):
            prompt = [{"role": "system", "content": subject.system}, *prompt]
        return prompt

    def _keys(self, subject: str, prompts: Mapping[str, Prompt]) -> dict[str, str]:
        fingerprint = self.models.fingerprint(subject)
        if self.models.dated(subject):
            fingerprint = f"{fingerprint} {date.today()}"
        return {i: self._key(fingerprint, i, prompt) for i, prompt in prompts.items()}

    def _generate(
        self,
        subject: str,
        what: str,
        requests: list[Request],
        keys: dict[str, str],
        on_response: Callable[[str, Response], None],
    ) -> dict[str, Response]:
        """Generate and store the responses to ``requests``; return them by id.

        A response that another request could change is not stored.
        """
        backend, responses = self.models.backend(subject), dict[str, Response]()
        with (
            self._progress.task(f"{subject} {what}", len(requests), "answers") as task,
            closing(backend.complete(requests, self.decoding, task.tokens)) as completions,
        ):
            for completion in completions:
                response = Response(
                    subject=subject,
                    case=completion.id,
                    text=completion.text,
                    reason=completion.reason,
                    thought=completion.thought,
                    thought_tokens=completion.thought_tokens,
                    finish=completion.finish,
                    prompt_tokens=completion.prompt_tokens,
                    completion_tokens=completion.completion_tokens,
                    seconds=completion.seconds,
                    likelihoods=completion.likelihoods,
                )
                if completion.final:
                    self._store.put(keys[completion.id], completion.rendered, response)
                responses[completion.id] = response
                on_response(completion.id, response)
                task.advance()
        return responses

    def _key(self, fingerprint: str, name: str, prompt: Prompt) -> str:
        """The key in the store; ``name`` counts only if it seeds the sampling."""
        code = {"code": code_digest(*self.models.code)}
        if isinstance(prompt, Question):  # nothing is decoded, but a template may be rendered
            return key_of(fingerprint, prompt, code | {"thinking": self.decoding.enable_thinking})
        settings = self.decoding.model_dump(include={"max_tokens", "temperature", "top_p", "seed"})
        sampled = {**settings, "name": name}
        greedy = {"max_tokens": settings["max_tokens"], "temperature": 0.0}
        decoding = sampled if self.decoding.temperature else greedy
        if self.decoding.enable_thinking is not None:
            decoding["enable_thinking"] = self.decoding.enable_thinking
        return key_of(fingerprint, prompt, decoding | code)

    def _lock(self, fingerprint: str, what: str) -> AbstractContextManager[None]:
        """Within the context, no other process generates the responses named by ``what``."""
        self._locks.mkdir(parents=True, exist_ok=True)
        lock_file = self._locks / f"{fingerprint[:16]}-{what.replace(' ', '-')}.lock"
        message = f"{what}: waiting for another process that generates these answers"
        return exclusive(lock_file, lambda: self._progress.say(message))
