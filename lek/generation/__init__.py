"""Generation: the responses of subjects to cases, from models, servers or records.

Public: `Backend`, `Models`, `prompt_of` (`lek.generation.backend`), `MlxBackend`
(`lek.generation.mlx`), `ServedModels` (`lek.generation.served`), `Generator`
(`lek.generation.generator`), `Responses`, `SubjectResponses` (`lek.generation.responses`),
`sandwich` (`lek.generation.sandwich`).
"""
