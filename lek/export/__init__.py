"""A run for readers elsewhere: a model card for the Hugging Face hub, and Markdown.

Public: `model_card`, `subject_of` (`lek.export.card`), `step_summary` (`lek.export.step_summary`),
`rulings` (`lek.export.rulings`), `literal`, `table`, `json_block` (`lek.export.markdown`).
"""
