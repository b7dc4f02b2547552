"""What several tests share: projects to run pytest in, servers on loopback, tiny models."""
