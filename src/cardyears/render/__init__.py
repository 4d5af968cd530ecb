"""One answer in, one string out: text, JSON, HTML, Markdown. No arithmetic beyond where a bar ends."""
