"""The exact judge, which compares the final number of an answer with the reference.

Public: `exact` (`lek.judges.exact.judge`), `read_answer` (`lek.judges.exact.extraction`).
"""
