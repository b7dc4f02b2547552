"""Models behind an API, through the vendors' client libraries: pacing, retries, errors, keys.

Public: `Question`, `Reply`, `Endpoint` (`lek.providers.request`), `check`, `endpoint`, `client_of`,
`scrub` (`lek.providers.endpoint`), `RateLimitedClient` (`lek.providers.client`), the errors
(`lek.providers.errors`).
"""
