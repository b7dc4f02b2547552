"""Generation: the responses of subjects to cases, generated or recorded.

Public: `Backend`, `prompt_of` (`lek.generation.backend`), `MlxBackend` (`lek.generation.mlx`),
`Generator` (`lek.generation.generator`), `Responses`, `SubjectResponses`
(`lek.generation.responses`), `sandwich` (`lek.generation.sandwich`).
"""
