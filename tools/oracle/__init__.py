"""What the published implementations say: transformers on torch's meta device. Needs the extra `oracles`."""
