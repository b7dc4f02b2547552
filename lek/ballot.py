"""The votes on one answer, as they come in from threads and from other processes."""

from dataclasses import dataclass, field
from threading import Event, Lock

from lek.judges.llm import Missing
from lek.records import Vote


@dataclass
class Ballot:
    """The votes on one answer. Equal answers to a case, of whatever subject, have one ballot.

    ``left`` counts the votes that this process still has to ask for; ``others`` holds the keys of
    those that another one asks for.
    """

    votes: list[Vote | Missing | None]
    left: int = 0
    others: dict[int, str] = field(default_factory=dict)
    done: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    def settle(self, i: int, vote: Vote | Missing) -> None:
        """Put down a vote that this process asked for; the last one sets ``done``."""
        with self.lock:
            self.votes[i] = vote
            self.left -= 1
            if not self.left:
                self.done.set()
