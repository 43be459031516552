"""Scripts that run in an environment of their own: questions as JSON in, what came of it out."""
