"""The verbs as Python functions with typed results: what `import cardyears` offers."""
