"""Profiles: the TOML files that describe an evaluation, validated when read.

Public: `Profile` and its sections, `JUDGE_KINDS` (`lek.profile.schema`), `LoadedProfile`, `find`,
`load`, `with_judge` (`lek.profile.loading`).
"""
