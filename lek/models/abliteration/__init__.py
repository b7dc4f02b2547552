"""A model and two kinds of prompts -> the direction that tells them apart, and its removal."""
