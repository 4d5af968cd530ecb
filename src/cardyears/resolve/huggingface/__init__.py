"""From a Hugging Face config.json to an architecture: one small reader for each way of building a decoder."""
