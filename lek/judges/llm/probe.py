"""The question of the probe of a judge behind an API."""

from lek.providers.request import Question

# has the form of real questions, so that an API that does not support this form refuses it
QUESTION = Question(
    system="You test a connection. Reply with one JSON object and nothing else: "
    '{"reasons": <text>, "score": <whole number, from 1 to 10>}',
    user='This is a test of the connection. Reply with "reasons": "ok" and "score": 10.',
    schema={
        "type": "object",
        "properties": {
            "reasons": {"type": "string"},
            "score": {"type": "integer", "minimum": 1, "maximum": 10},
        },
        "required": ["reasons", "score"],
        "additionalProperties": False,
    },
)
