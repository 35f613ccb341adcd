"""A network of SAM's architecture with small dimensions, trained for a few minutes: proof of prompts, not a product."""
