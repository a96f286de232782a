"""Latchkey's local AWS: MiniStack, and the corrections that make it behave as AWS does for us."""
