"""The workspace, which keeps data between runs, and the display of progress.

Public: `Workspace` (`lek.workspace.workspace`), `Store`, `key_of` (`lek.workspace.store`),
`Progress` (`lek.workspace.progress`), `code_digest` (`lek.workspace.fingerprint`).
"""
