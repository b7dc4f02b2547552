"""The exact judge: the number that an answer settles on, compared with the reference.

Public: `exact` (`lek.judges.exact.judge`), `read_answer` (`lek.judges.exact.extraction`).
"""
