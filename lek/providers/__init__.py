"""Models behind an API: pacing, retries, errors and keys, through the vendors' client libraries.

Public: `Question`, `Reply`, `Endpoint` (`lek.providers.request`), `check`, `endpoint`, `client_of`,
`scrub` (`lek.providers.endpoint`), `RateLimitedClient` (`lek.providers.client`), the errors
(`lek.providers.errors`).
"""
