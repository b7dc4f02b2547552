"""The evaluations that ship: one short file per benchmark."""
