"""The profile: one TOML file that says everything about an evaluation, checked when it is read.

Public: `Profile` and its sections, `JUDGE_KINDS` (`lek.profile.schema`), `LoadedProfile`, `find`,
`load`, `with_judge` (`lek.profile.loading`).
"""
