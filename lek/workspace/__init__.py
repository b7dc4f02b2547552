"""The workspace: what is kept between runs, under which key, and progress shown meanwhile.

Public: `Workspace` (`lek.workspace.workspace`), `Store`, `key_of` (`lek.workspace.store`),
`Progress` (`lek.workspace.progress`), `code_digest` (`lek.workspace.fingerprint`).
"""
