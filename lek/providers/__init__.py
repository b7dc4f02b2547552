"""Models behind an API, through the vendors' client libraries: pacing, retries, errors, costs.

Public: `Question`, `Reply`, `Task`, `Endpoint` (`lek.providers.request`), `check`, `endpoint`,
`client_of`, `scrub` (`lek.providers.endpoint`), `RateLimitedClient` (`lek.providers.client`),
`ThreadExecutor` (`lek.providers.pool`), `Usage` (`lek.providers.usage`), `fault`
(`lek.providers.probe`), the errors (`lek.providers.errors`).
"""
